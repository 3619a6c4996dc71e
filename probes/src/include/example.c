/* The smallest probe that does something: it knows a disk by the boot
 * signature and says how large it is. */
#include "assay_probe.h"

ASSAY_WINDOW(512);

ASSAY_MANIFEST("example.json");

int32_t assay_probe(uint32_t window_len, int64_t size, int32_t depth) {
	(void)depth;
	if (window_len < 512 || assay_window[510] != 0x55 || assay_window[511] != 0xaa)
		return ASSAY_NO_MATCH;
	if (size != ASSAY_SIZE_UNKNOWN)
		assay_number(ASSAY_VIRTUAL_SIZE, ASSAY_NO_PLACE, 0, (uint64_t)size);
	return ASSAY_MATCH;
}
