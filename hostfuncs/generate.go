package hostfuncs

// The SDK's constants, the C header's and docs/abi-keys.md come from the
// table.
//go:generate go run ./internal/gentable ..
