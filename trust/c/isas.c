/* Prints the instruction sets that this machine has, from the least on. */
#include <stdio.h>

#include "../../csrc/runtime/isa.h"

int main(void)
{
    for (int isa = BASELINE; isa < ISAS; isa++) {
        if (isa_available((Isa)isa)) {
            printf("%s\n", isa_name[isa]);
        }
    }
    return 0;
}
