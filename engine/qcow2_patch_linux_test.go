package engine_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
)

// qemu-img opens patched images that are accepted, and gives them the size that
// TestPatchedQcow2 holds their reports against: the first and the last of each
// field.
func TestPatchedQcow2OfQemuImg(t *testing.T) {
	skipManyImages(t)
	needTools(t)
	dir := quickDir(t)
	for _, base := range qcow2Bases {
		var chosen []qcow2Patch
		for _, p := range qcow2Patches(base) {
			if n := len(chosen); p.harmless && n >= 2 && chosen[n-1].field == p.field && chosen[n-2].field == p.field {
				chosen[n-1] = p
			} else if p.harmless {
				chosen = append(chosen, p)
			}
		}
		for _, p := range chosen {
			path := filepath.Join(dir, "image.qcow2")
			if err := os.WriteFile(path, p.image, 0o600); err != nil {
				t.Fatal(err)
			}
			var info struct {
				VirtualSize int64 `json:"virtual-size"`
			}
			if err := json.Unmarshal([]byte(tool(t, "qemu-img", "info", "--output=json", "-f", "qcow2", path)), &info); err != nil {
				t.Fatal(err)
			}
			if info.VirtualSize != p.size {
				t.Errorf("%s: qemu-img says %d bytes, want %d", p.name, info.VirtualSize, p.size)
			}
		}
	}
}
