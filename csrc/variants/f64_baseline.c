/* float64, what every machine of the architecture has */
#define NEUROAI_FLOAT64
#include "variant.h"

const Variant variant_f64_baseline = {"f64", methods};
