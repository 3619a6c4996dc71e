package hostfuncs

// Keys 0x0001-0x00ff belong to every format. Rows with key 0 are findings
// that only the host makes.
var coreEntries = []Entry{
	{Key: 0x0001, Kind: KindNumber, Name: "virtual_size", Doc: "size of the disk the image describes, in bytes, as the qemu driver of the format gives it"},
	{Key: 0x0002, Kind: KindNumber, Name: "metadata_bytes", Doc: "bytes of mapping tables that a deep walk of this image reads at most, from its geometry; scales the budget of the deep run"},

	{Kind: KindFinding, Name: "format.mismatch", Class: FormatMismatch, Message: "claimed {claim}, is {format}", Doc: "the format found differs from the format claimed"},
	{Kind: KindFinding, Name: "format.ambiguous", Class: AmbiguousFormat, Message: "several formats match: {formats}{hint}", Doc: "more than one format matches and no rule of the contract decides between them; the hint names a claim that would"},
	{Kind: KindFinding, Name: "format.malformed", Class: ClassMalformed, Message: "the header is damaged or cut", Doc: "a probe said match but malformed and reported nothing that rejects"},
	{Kind: KindFinding, Name: "format.not-allowed", Class: Unsupported, Message: "format {format} is not allowed by the policy", Doc: "the policy does not list the format"},
	{Kind: KindFinding, Name: "format.virtual-size-missing", Class: ProbeFailure, Message: "probe {probe} matched but reported no virtual size", Doc: "a probe said match and left out the one fact every disk format has"},
	{Kind: KindFinding, Name: "raw.empty", Class: ClassMalformed, Message: "the file is empty", Doc: "a file of zero bytes is no disk"},
	{Kind: KindFinding, Name: "raw.unclaimed", Class: FormatMismatch, Message: "no known format matches and raw was not claimed", Doc: "raw by absence of any other format, without a claim"},
	{Kind: KindFinding, Name: "raw.claimed", Class: FormatMismatch, Message: "claimed raw, holds {format}: read as a raw disk", Doc: "claim raw on a format that the contract lets a raw disk hold"},
	{Kind: KindFinding, Name: "probe.trap", Class: ProbeFailure, Message: "probe {probe} trapped: {detail}", Doc: "a probe stopped by a WebAssembly trap"},
	{Kind: KindFinding, Name: "probe.budget", Class: ProbeFailure, Message: "probe {probe} ran over its budget: {detail}", Doc: "a probe spent its fuel, reads, bytes or report size"},
	{Kind: KindFinding, Name: "probe.report", Class: ProbeFailure, Message: "probe {probe} gave a report the host cannot accept: {detail}", Doc: "a probe's records or return value break the ABI"},
}
