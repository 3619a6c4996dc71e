package hostfuncs

// Keys 0x0200-0x02ff: mbr.
var mbrEntries = []Entry{}
