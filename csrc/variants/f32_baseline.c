/* float32, what every machine of the architecture has */
#include "variant.h"

const Variant variant_f32_baseline = {"f32", methods};
