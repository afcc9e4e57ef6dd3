#pragma once

#include <vector>

#include <lazyfx/tensor/tensor.hpp>

#include "image.hpp"

/// The lines of text in a picture, top to bottom, and the cells of a table's row left to right, each cut out with a margin; empty when
/// nothing stands out from the paper. Works for dark text on light paper and the reverse, in any colours, when the lines are horizontal and
/// their paper is roughly uniform; a panel of another colour is paper of its own.
std::vector<Image> find_lines(const Image& picture);

/// What PP-OCR's recogniser takes: f32[1, 3, 48, W], blue first, from -1 to 1, the aspect ratio kept. W is rounded up to a multiple of 32
/// with paper, so that lines of similar length have equal shapes.
lazyfx::Tensor recogniser_input(const Image& line);
