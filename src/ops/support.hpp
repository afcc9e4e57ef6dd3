#pragma once

/// What every operator family includes.
#include "ops/support/compose.hpp"
#include "ops/support/definition.hpp"
#include "ops/support/elements.hpp"
#include "ops/support/lower.hpp"
#include "ops/support/types.hpp"
