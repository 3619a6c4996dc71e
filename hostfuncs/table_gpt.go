package hostfuncs

// Keys 0x0300-0x03ff: gpt. The source is the UEFI specification, section 5.3.
var gptEntries = []Entry{}
