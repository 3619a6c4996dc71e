package wasmbuild

// The format mini, for probes that are to behave or, in one way, not to: the
// magic MINI, a little-endian number of four bytes that a careless reader loops
// by, and eight bytes of nothing.
const (
	MiniImage    = "MINI\x03\x00\x00\x00........"
	MiniManifest = `{"abi":1,"name":"mini","version":"1.0.0","format":"mini","window":4096,"signatures":[{"at":0,"bytes":"4d494e49"}]}`
)

// Mini is a probe of the format mini. What is nil is as it should be.
type Mini struct {
	Manifest string // "" = MiniManifest
	// Magic returns 0 when the head is of no image, Cut returns when it is too
	// short; Rest leaves the outcome of one that is not.
	Magic, Cut, Rest []byte
}

// Module builds the probe.
func (m Mini) Module() *Module {
	if m.Manifest == "" {
		m.Manifest = MiniManifest
	}
	if m.Magic == nil {
		m.Magic = Code(LocalGet, 0, I32Const, 4, I32LtU, I32Eqz, Unless(0),
			I32Const, S(Window), I32Load, 0, 0, I32Const, S(0x494e494d), I32Ne, I32Eqz, Unless(0))
	}
	if m.Cut == nil {
		m.Cut = Code(I32Const, 2, Return)
	}
	if m.Rest == nil {
		m.Rest = Code(I32Const, 1)
	}
	mod := Probe(m.Magic, LocalGet, 0, I32Const, 16, I32LtU, If, None, m.Cut, End, m.Rest)
	mod.Custom[0].Payload = []byte(m.Manifest)
	return mod
}

// Unless returns an outcome when there is a zero on the stack.
func Unless(outcome int) []byte { return Code(I32Eqz, If, None, I32Const, outcome, Return, End) }
