// Package probetest is the workbench for authors of probes: it runs a module
// over bytes with the budgets of a real inspection, checks that it behaves as
// the ABI asks, drives it by test vectors, and fuzzes it.
//
//	p, err := probetest.Open(ctx, wasm)             // the profile, the manifest
//	run := p.Run(ctx, probetest.Input{Content: b})  // both engines, one answer
//	result, err := probetest.Check(ctx, wasm, nil)  // the conformance kit
//
// Check is what `assay probe check` prints. In a Go test, TestVectors drives a
// module by the vectors of a folder, and Fuzz makes a fuzz target of an engine
// with any set of probes.
//
// What it promises: the same module gives the same result, everywhere; a bad
// module costs seconds and no more memory than a good one; every complaint
// names what is wrong and carries the input that shows it. What it does not
// promise: that a module which passes finds everything its format can hide.
// The corpus is hostile to parsers in general, not to one format; that takes
// vectors.
//
// A module may be anybody's. It runs in the sandbox of package engine/sandbox
// like any other probe; as both of wazero's engines must agree, its code is
// compiled as well as interpreted.
package probetest

//go:generate go run ./internal/gentargets
