/* What a probe in C is written with: ABI v1 of Assay (docs/abi.md).
 *
 * Compile with
 *   clang --target=wasm32 -mcpu=mvp -Os -nostdlib -ffreestanding -I. -c probe.c
 * and link with
 *   wasm-ld --no-entry --export=assay_probe --export=assay_window --stack-first
 *     -z stack-size=12288 --initial-memory=65536 --max-memory=65536 --strip-all
 *     -o probe.wasm probe.o
 */
#ifndef ASSAY_PROBE_H
#define ASSAY_PROBE_H

#include <stdint.h>

#include "assay_keys.h"

/* What assay_probe returns. */
#define ASSAY_NO_MATCH 0
#define ASSAY_MATCH 1
#define ASSAY_MALFORMED 2

/* The size given while a stream is still arriving, and what read_at returns
 * for bytes that have not arrived. */
#define ASSAY_SIZE_UNKNOWN (-1)
#define ASSAY_NOT_ARRIVED (-1)

/* Depth of a run. */
#define ASSAY_HEADER 0
#define ASSAY_DEEP 1

/* The place of a fact that was not read in one place. */
#define ASSAY_NO_PLACE UINT64_MAX

/* Reads up to len bytes at an offset (negative: from the end) and returns how
 * many are there: short at the end of the file, ASSAY_NOT_ARRIVED in a stream
 * that has not come so far. */
__attribute__((import_module("assay_v1"), import_name("read_at")))
int32_t assay_read_at(int64_t offset, void *buffer, uint32_t len);

/* Appends bytes of records to the report. */
__attribute__((import_module("assay_v1"), import_name("report")))
void assay_report(const void *records, uint32_t len);

/* Declares the window, where the host puts the first bytes of the file before
 * the run: as many as the manifest asks for and the file has. Its address is
 * what the module exports. */
#define ASSAY_WINDOW(bytes) uint8_t assay_window[bytes]

/* Declares the manifest: the name of the file with its JSON, as a string
 * literal, found in the compiler's include path (-I). */
#define ASSAY_MANIFEST(file) \
	__asm__(".section .custom_section.assay.manifest,\"\",@\n.incbin \"" file "\"\n")

/* The probe: window_len bytes are in the window, size is that of the file or
 * ASSAY_SIZE_UNKNOWN. */
int32_t assay_probe(uint32_t window_len, int64_t size, int32_t depth);

/* A record with up to two numbers: a property (one) or a finding. */
static inline void assay_record(uint16_t key, uint64_t offset, uint64_t length,
                                uint32_t count, uint64_t first, uint64_t second) {
	struct __attribute__((packed)) {
		uint16_t key, length;
		uint64_t place[2], values[2];
	} r = {key, (uint16_t)(16 + 8 * count), {offset, length}, {first, second}};
	assay_report(&r, 20 + 8 * count);
}

static inline void assay_number(uint16_t key, uint64_t offset, uint64_t length, uint64_t value) {
	assay_record(key, offset, length, 1, value, 0);
}

static inline void assay_finding(uint16_t key, uint64_t offset, uint64_t length,
                                 uint64_t value, uint64_t limit) {
	assay_record(key, offset, length, 2, value, limit);
}

/* A text or a reference: len bytes of the image, at most 65519. */
static inline void assay_bytes(uint16_t key, uint64_t offset, uint64_t length,
                               const void *bytes, uint16_t len) {
	struct __attribute__((packed)) {
		uint16_t key, length;
		uint64_t place[2];
	} r = {key, (uint16_t)(16 + len), {offset, length}};
	assay_report(&r, sizeof r);
	assay_report(bytes, len);
}

#endif
