// Stability: stable.
#pragma once

// The structs of DLPack 0.8's C interface (the unversioned DLManagedTensor, which libraries of version 1 still exchange), for
// those who have no dlpack.h. Steps aside for a dlpack.h that was included before; include that first when you need more of
// it than this.
// Source: https://dmlc.github.io/dlpack/latest/c_api.html
#ifndef DLPACK_DLPACK_H_
#define DLPACK_DLPACK_H_

#include <stdint.h>

extern "C" {

// NOLINTBEGIN(modernize-use-using): a C interface
typedef enum : int32_t { kDLCPU = 1, kDLCUDA = 2, kDLCUDAHost = 3 } DLDeviceType;

typedef struct {
  DLDeviceType device_type;
  int32_t device_id;
} DLDevice;

typedef enum {
  kDLInt = 0,
  kDLUInt = 1,
  kDLFloat = 2,
  kDLOpaqueHandle = 3,
  kDLBfloat = 4,
  kDLComplex = 5,
  kDLBool = 6,
} DLDataTypeCode;

typedef struct {
  uint8_t code;    // a DLDataTypeCode
  uint8_t bits;    // of one lane
  uint16_t lanes;  // 1 unless elements are short vectors
} DLDataType;

typedef struct {
  void* data;
  DLDevice device;
  int32_t ndim;
  DLDataType dtype;
  int64_t* shape;
  int64_t* strides;  // in elements; null: row-major
  uint64_t byte_offset;
} DLTensor;

typedef struct DLManagedTensor {
  DLTensor dl_tensor;
  void* manager_ctx;
  void (*deleter)(struct DLManagedTensor* self);
} DLManagedTensor;
// NOLINTEND(modernize-use-using)

}  // extern "C"

#endif  // DLPACK_DLPACK_H_
