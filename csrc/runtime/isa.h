/* The instruction sets that variants are built for. */
#ifndef NEUROAI_ISA_H
#define NEUROAI_ISA_H

typedef enum { BASELINE, AVX2, AVX512, ISAS } Isa;

extern const char *const isa_name[ISAS];

/* whether this machine has it */
int isa_available(Isa isa);

#endif
