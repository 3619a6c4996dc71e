package engine_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/assay-dev/assay/engine"
)

// published are images that distributions hand out: installers and tools that
// boot, firmware, boot sectors.
var published = []struct {
	files  string // a pattern of names
	claim  engine.Format
	format engine.Format
}{
	{"/usr/lib/grub-rescue/grub-rescue-*", "", "iso"}, // isohybrid, also what is named a floppy's image
	{"/usr/lib/ipxe/ipxe.iso", "", "iso"},
	{"/usr/lib/memtest86+/*.iso", "", "iso"},
	{"/usr/lib/ipxe/*.lkrn", "raw", "raw"},
	{"/usr/lib/ipxe/*.kpxe", "raw", "raw"},
	{"/usr/lib/ipxe/*.efi", "raw", "raw"},
	{"/boot/memtest86+*", "raw", "raw"},
	{"/usr/share/OVMF/*.fd", "raw", "raw"},
	{"/usr/lib/syslinux/memdisk", "raw", "raw"},
	{"/usr/lib/syslinux/mbr/*.bin", "raw", "raw"}, // boot code without a table
}

// An image that others publish is what it is, at every depth, and nothing is
// held against it.
func TestPublishedImages(t *testing.T) {
	eng := newEngine(t, engine.NewConfig())
	for _, p := range published {
		files, err := filepath.Glob(p.files)
		if err != nil {
			t.Fatal(err)
		}
		if len(files) == 0 {
			t.Run(filepath.Base(p.files), func(t *testing.T) { unavailable(t, "no file %s", p.files) })
		}
		for _, path := range files {
			t.Run(filepath.Base(path), func(t *testing.T) {
				f, err := os.Open(path)
				if err != nil {
					t.Fatal(err)
				}
				defer f.Close()
				for _, depth := range []engine.Depth{engine.Header, engine.Deep} {
					report, err := eng.Inspect(t.Context(), engine.File(f), engine.Claim(p.claim), engine.AtDepth(depth))
					if err != nil {
						t.Fatal(err)
					}
					if !report.Accepted || report.Format != p.format || len(report.Findings) != 0 {
						t.Errorf("%v: %s, accepted %t: %s", depth, report.Format, report.Accepted, text(report.Findings))
					}
				}
			})
		}
	}
}
