// Package sandbox is a probe's life: a WebAssembly module is checked against a
// profile, metered, compiled, and run in an instance that is new, or reset to
// what a new one is.
//
// What it protects: the embedding process, from a module that nobody has read
// and from an image that is written to confuse it. A module that passed Load
// can only compute on its own linear memory and call the two functions of
// package hostfuncs. It cannot compile for long, recurse, grow, keep anything
// from one run to the next, stop the garbage collector for long, or run past
// its budget; a run that is cancelled ends within one slice of fuel.
//
// What it promises: a run is a pure function of the module, the bytes of the
// image, its size, the depth and the budget. The outcome, the records and what
// was spent are the same in both of wazero's engines, down to the unit of
// fuel, also when the run fails.
//
// What it does not promise: that a probe tells the truth. The lock file of
// package probes says which modules are ours, and package engine judges what
// they report.
//
// A module passes these steps, a file each:
//
//	load.go       Load: the steps below up to the manifest; nothing is compiled
//	profile.go    the bounds of the profile, and why each is there
//	module.go     the module's structure, section by section
//	code.go       function bodies, instruction by instruction
//	callgraph.go  no recursion: the native stack is bounded
//	manifest.go   what the module says it is
//	signature.go  which images it wants to see
//	fuel.go       the rewriting that meters it
//	compile.go    wazero's validation and compilation, and which engine pays
//	run.go        one run
//	instance.go   the instance it is in, and how that is used again
//	memory.go     the pooled state of runs, with the linear memory
package sandbox
