package tempfile

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"strings"
	"sync"

	"github.com/assay-dev/assay/internal/pattern"
)

// prefix begins the names of temporary files.
const prefix = ".assay-"

// NewName returns a name that nobody can guess, and that says whose it is.
func NewName() string { return prefix + host() + "-" + strings.ToLower(rand.Text()) }

// shape is what NewName returns: eight digits of the host, and 26 letters and
// digits of base 32.
var shape = pattern.Lazy(`^\.assay-([0-9a-f]{8})-[a-z2-7]{26}$`)

// ours tells whether a name is that of a temporary file of this host.
func ours(name string) bool {
	m := shape().FindStringSubmatch(name)
	return m != nil && m[1] == host()
}

// host tells this host from others: part of a digest, since machine-id(5) is
// not to be shown around.
var host = sync.OnceValue(func() string {
	id, err := os.ReadFile("/etc/machine-id")
	if id = bytes.TrimSpace(id); err != nil || len(id) == 0 {
		name, _ := os.Hostname()
		id = []byte(name)
	}
	sum := sha256.Sum256(append([]byte("assay temporary files of "), id...))
	return hex.EncodeToString(sum[:4])
})
