package engine_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/assay-dev/assay/engine"
	"github.com/assay-dev/assay/testdata/images"
)

// toolRecipe is a file that a tool other than qemu-img makes, or qemu-img in a
// format that is read as raw.
type toolRecipe struct {
	name string
	// script is run by sh -e in an empty folder that has a folder "tree" with
	// a few files and a file "disk", a partitioned disk; it leaves "image".
	script string
	format engine.Format
	// findings are the ids of all findings that are more than info, without a
	// claim.
	findings []string
}

// needScript skips the test when a program that a script starts is missing.
func needScript(t *testing.T, script string) {
	t.Helper()
	for line := range strings.Lines(script) {
		name, _, _ := strings.Cut(strings.TrimSpace(line), " ")
		if name == "" {
			continue
		}
		// Where Debian has what root uses is not on everybody's PATH.
		_, plain := exec.LookPath(name)
		if _, system := exec.LookPath("/usr/sbin/" + name); plain != nil && system != nil {
			unavailable(t, "%v", plain)
		}
	}
}

// make runs the script and returns the image's path.
func (r toolRecipe) make(t *testing.T) string {
	t.Helper()
	needScript(t, r.script)
	dir := quickDir(t)
	if err := os.MkdirAll(filepath.Join(dir, "tree", "folder"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{
		"disk": images.MBR(256<<10, images.Partition{Type: 0x83, Start: 8, Count: 500}), "tree/text": images.Text(10_000),
		"tree/folder/noise": images.Random(100_000, 1), "tree/boot": images.Random(2048, 2),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	out, err := output(func() *exec.Cmd {
		cmd := exec.CommandContext(t.Context(), "sh", "-ec", r.script)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "PATH="+os.Getenv("PATH")+":/usr/sbin")
		return cmd
	})
	if err != nil {
		t.Fatalf("%v\n%s\n%s", err, r.script, out)
	}
	return filepath.Join(dir, "image")
}

// Whatever a tool makes is recognized, and read as a raw disk where the claim
// says so.
func TestEveryFormatOfItsTools(t *testing.T) {
	skipManyImages(t)
	eng := newEngine(t, engine.NewConfig())
	for _, r := range slices.Concat(luksRecipes, isoRecipes, containerRecipes, nothingRecipes) {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			path := r.make(t)
			for _, depth := range []engine.Depth{engine.Header, engine.Deep} {
				report, err := eng.Inspect(t.Context(), engine.File(open(t, path)), engine.AtDepth(depth))
				if err != nil {
					t.Fatal(err)
				}
				if report.Format != r.format {
					t.Errorf("%v: format %s, want %s: %s", depth, report.Format, r.format, text(report.Findings))
				}
				var found []string
				for _, f := range report.Findings {
					if f.Severity != engine.Info {
						found = append(found, f.ID)
					}
				}
				slices.Sort(found)
				if !slices.Equal(slices.Compact(found), r.findings) {
					t.Errorf("%v: findings %s, want %s", depth, found, r.findings)
				}
			}
			report, err := eng.Inspect(t.Context(), engine.File(open(t, path)), engine.Claim("raw"))
			if err != nil {
				t.Fatal(err)
			}
			if !report.Accepted || report.QemuDriver != "raw" || report.VirtualSize != report.Size {
				t.Errorf("claimed raw: accepted %v, driver %s, virtual size %d of %d: %s",
					report.Accepted, report.QemuDriver, report.VirtualSize, report.Size, text(report.Findings))
			}
		})
	}
}

// The least work for the key derivation, and sizes that leave no room to spare.
const luksFormat = "cryptsetup luksFormat -q --pbkdf-force-iterations 1000 "

var luksRecipes = []toolRecipe{
	{"luks1", "truncate -s 4M image\n" + luksFormat + "--type luks1 image tree/text", "luks", []string{"luks.encrypted"}},
	{"luks1 cbc", "truncate -s 4M image\n" + luksFormat + "--type luks1 -c aes-cbc-essiv:sha256 -s 128 -h sha512 image tree/text",
		"luks", []string{"luks.encrypted"}},
	{"luks1 second key", "truncate -s 4M image\n" + luksFormat + "--type luks1 -c aes-xts-plain64 -s 512 image tree/text\n" +
		"cryptsetup luksAddKey -q --pbkdf-force-iterations 1000 -d tree/text image tree/boot", "luks", []string{"luks.encrypted"}},
	{"luks1 erased", "truncate -s 4M image\n" + luksFormat + "--type luks1 image tree/text\ncryptsetup luksErase -q image", "luks", []string{"luks.encrypted"}},
	{"luks1 detached", "truncate -s 4M disk\ntruncate -s 4M image\n" + luksFormat + "--type luks1 --header image disk tree/text",
		"luks", []string{"luks.detached-header", "luks.encrypted"}},
	{"luks2", "truncate -s 20M image\n" + luksFormat + "--type luks2 --pbkdf pbkdf2 image tree/text", "luks", []string{"luks.encrypted", "luks.luks2"}},
	{"luks2 large metadata", "truncate -s 32M image\n" + luksFormat + "--type luks2 --pbkdf pbkdf2 --luks2-metadata-size 4M image tree/text",
		"luks", []string{"luks.encrypted", "luks.luks2"}},
	{"luks2 without primary", "truncate -s 20M image\n" + luksFormat + "--type luks2 --pbkdf pbkdf2 image tree/text\n" +
		"dd if=/dev/zero of=image bs=4096 count=1 conv=notrunc", "luks", []string{"luks.luks2", "luks.primary-header"}},
	{"luks1 of qemu-img", "qemu-img create -q -f luks --object secret,id=s,data=secret -o key-secret=s,iter-time=10 image 1M", "luks", []string{"luks.encrypted"}},
}

const isoBoot = "-b boot -no-emul-boot -boot-load-size 4 -boot-info-table "

var isoRecipes = []toolRecipe{
	{"iso plain", "genisoimage -quiet -o image tree", "iso", nil},
	{"iso without padding", "genisoimage -quiet -no-pad -o image tree", "iso", nil},
	{"iso joliet and rock ridge", "genisoimage -quiet -J -r -V volume -o image tree", "iso", nil},
	{"iso level 4", "genisoimage -quiet -iso-level 4 -o image tree", "iso", nil},
	{"iso with udf", "genisoimage -quiet -udf -J -o image tree", "iso", nil},
	{"iso bootable", "genisoimage -quiet -J " + isoBoot + "-c catalog -o image tree", "iso", nil},
	{"iso bootable two ways", "genisoimage -quiet " + isoBoot + "-c catalog -eltorito-alt-boot -b text -no-emul-boot -o image tree", "iso", nil},
	{"iso hfs hybrid", "genisoimage -quiet -hfs -o image tree", "iso", nil},
	{"iso of xorriso", "xorriso -as mkisofs -quiet -J -o image tree", "iso", nil},
	{"iso of xorriso, bootable two ways", "xorriso -as mkisofs -quiet " + isoBoot + "-c catalog -eltorito-alt-boot -e text -no-emul-boot -o image tree", "iso", nil},
	{"iso of xorriso, large blocks", "xorriso -as mkisofs -quiet -partition_offset 16 -o image tree", "iso", nil},
	{"iso of xorriso, second session", "xorriso -dev image -volid one -map tree /tree -commit -volid two -map tree/text /text -commit", "iso", nil},
	{"isohybrid with mbr", "dd if=/dev/zero of=mbr bs=432 count=1\nxorriso -as mkisofs -quiet " + isoBoot + "-c catalog -isohybrid-mbr mbr -o image tree", "iso", nil},
	{"isohybrid with mbr and gpt", "dd if=/dev/zero of=mbr bs=432 count=1\nxorriso -as mkisofs -quiet " + isoBoot +
		"-c catalog -isohybrid-mbr mbr -eltorito-alt-boot -e text -no-emul-boot -isohybrid-gpt-basdat -o image tree",
		"iso", []string{"gpt.no-protective-mbr", "gpt.outside-usable"}},
	{"iso with an appended partition and gpt", "xorriso -as mkisofs -quiet -J -append_partition 2 0xef tree/folder/noise -appended_part_as_gpt -o image tree", "iso", nil},
	{"iso with protective mbr", "xorriso -as mkisofs -quiet --protective-msdos-label -o image tree", "iso", nil},
	{"udf of a cd", "truncate -s 4M image\nmkudffs --media-type=cdr image", "iso", nil},
	{"udf of a disk", "truncate -s 8M image\nmkudffs --media-type=hd image", "iso", nil},
	{"udf of a dvd", "truncate -s 8M image\nmkudffs --media-type=dvd image", "iso", nil},
	{"udf of 512", "truncate -s 8M image\nmkudffs --blocksize=512 image", "iso", nil},
	{"udf of 1024", "truncate -s 8M image\nmkudffs --blocksize=1024 image", "iso", nil},
	{"udf of 4096", "truncate -s 8M image\nmkudffs --blocksize=4096 image", "iso", nil},
	{"udf 1.02", "truncate -s 8M image\nmkudffs --udfrev=1.02 image", "iso", nil},
	{"udf with mbr", "truncate -s 8M image\nmkudffs --blocksize=512 --bootarea=mbr image", "iso", nil},
}

// container returns a recipe of a file that is no disk.
func container(format engine.Format, name, script string) toolRecipe {
	return toolRecipe{string(format) + " " + name, script, format, slices.Sorted(slices.Values([]string{"format.not-allowed", string(format) + ".container"}))}
}

var containerRecipes = []toolRecipe{
	container("gzip", "plain", "gzip -c disk > image"),
	container("gzip", "without name, best", "gzip -n9 < disk > image"),
	container("gzip", "of nothing", "gzip -c /dev/null > image"),
	container("gzip", "two members", "gzip -c disk > image\ngzip -c tree/text >> image"),
	container("xz", "plain", "xz -c disk > image"),
	container("xz", "no check", "xz -c --check=none disk > image"),
	container("xz", "sha256, extreme", "xz -9ec --check=sha256 disk > image"),
	container("xz", "blocks", "xz -c -T2 --block-size=4096 disk > image"),
	container("xz", "of nothing", "xz -c /dev/null > image"),
	container("lzma", "plain", "xz -c --format=lzma disk > image"),
	container("lzma", "fastest", "xz -0c --format=lzma disk > image"),
	container("lzma", "best, of noise", "xz -9c --format=lzma tree/folder/noise > image"),
	container("lzma", "odd properties", "xz -c --format=lzma --lzma1=lc=0,lp=2,pb=0,dict=96KiB disk > image"),
	container("lzma", "of nothing", "xz -c --format=lzma /dev/null > image"),
	container("zstd", "plain", "zstd -qc disk > image"),
	container("zstd", "fastest, no check", "zstd -qc --fast --no-check disk > image"),
	container("zstd", "long, ultra", "zstd -qc --ultra -22 --long=27 disk > image"),
	container("zstd", "stream", "zstd -qc < disk > image"),
	container("zstd", "of nothing", "zstd -qc < /dev/null > image"),
	container("zstd", "of noise", "zstd -qc tree/folder/noise > image"),
	container("zstd", "parallel", "pzstd -q -c disk > image"),
	container("lz4", "plain", "lz4 -qc disk > image"),
	container("lz4", "with size and block checks", "lz4 -qc --content-size -BX -B4 disk > image"),
	container("lz4", "linked blocks", "lz4 -qc -BD -9 disk > image"),
	container("lz4", "legacy", "lz4 -qcl disk > image"),
	container("lz4", "of nothing", "lz4 -qc /dev/null > image"),
	container("bzip2", "plain", "bzip2 -c disk > image"),
	container("bzip2", "fastest", "bzip2 -1c disk > image"),
	container("bzip2", "of nothing", "bzip2 -c /dev/null > image"),
	container("zip", "plain", "zip -q - disk > image"),
	container("zip", "of a stream", "zip -q - - < disk > image"),
	container("zip", "folders, stored", "zip -q0r image.zip tree\nmv image.zip image"),
	container("zip", "encrypted", "zip -q -P secret image.zip disk\nmv image.zip image"),
	container("zip", "first of several parts", "zip -q0 -s 64k -r image.zip tree\nmv image.z01 image"),
	container("tar", "gnu", "tar -cf image --format=gnu disk tree"),
	container("tar", "gnu, sparse", "tar -cSf image --format=gnu disk"),
	container("tar", "gnu, labelled", "tar -cf image --format=gnu -V label disk"),
	container("tar", "gnu, incremental", "tar -cf image --format=gnu -g list tree"),
	container("tar", "oldgnu", "tar -cf image --format=oldgnu disk"),
	container("tar", "pax", "tar -cf image --format=posix disk tree"),
	container("tar", "ustar", "tar -cf image --format=ustar tree"),
	container("tar", "v7", "tar -cf image --format=v7 disk"),
	container("tar", "v7 of a folder", "tar -cf image --format=v7 tree"),
	container("ova", "plain", "cp tree/text box.ovf\ntar -cf image --format=ustar box.ovf disk"),
	container("ova", "pax", "cp tree/text box.ovf\ntar -cf image --format=posix box.ovf disk"),
	container("ova", "in a folder", "cp tree/text tree/box.ovf\ntar -cf image --format=gnu tree/box.ovf disk"),
}

// nothing returns a recipe of a raw disk without a partition table, or of a
// file that is no disk at all.
func nothing(name, script string) toolRecipe {
	return toolRecipe{name, script, engine.Raw, []string{"raw.unclaimed"}}
}

var nothingRecipes = []toolRecipe{
	nothing("ext2", "truncate -s 4M image\nmkfs.ext2 -q image"),
	nothing("ext4", "truncate -s 16M image\nmkfs.ext4 -q -d tree image"),
	nothing("fat12", "truncate -s 1440K image\nmkfs.fat image"),
	nothing("fat16", "truncate -s 16M image\nmkfs.fat -F 16 image"),
	nothing("fat32", "truncate -s 64M image\nmkfs.fat -F 32 image"),
	nothing("fat with the table of a disk", "truncate -s 16M image\nmkfs.fat --mbr=yes image"),
	nothing("ntfs", "truncate -s 16M image\nmkfs.ntfs -qF image"),
	nothing("xfs", "truncate -s 512M image\nmkfs.xfs -q image"),
	nothing("btrfs", "truncate -s 128M image\nmkfs.btrfs -q image"),
	nothing("squashfs", "mksquashfs tree image -quiet -no-progress"),
	nothing("swap", "truncate -s 1M image\nmkswap -q image"),
	nothing("deb", "mkdir -p tree/DEBIAN\nprintf 'Package: tree\\nVersion: 1\\nArchitecture: all\\nMaintainer: nobody <nobody@example.org>\\nDescription: a tree\\n' > tree/DEBIAN/control\n"+
		"dpkg-deb -b tree image"),
	nothing("ar", "ar rc image disk tree/text"),
	nothing("base64", "base64 disk > image"),
}

// No file of an ordinary system is taken for a disk image: programs,
// libraries, documents, pictures, fonts, sources.
func TestOrdinaryFilesAreNoImages(t *testing.T) {
	skipManyImages(t)
	const most = 100                                                               // files of a folder
	images := []string{".img", ".iso", ".qcow2", ".vmdk", ".vdi", ".vhd", ".vhdx"} // firmware comes as such
	containers := []engine.Format{"gzip", "xz", "zstd", "bzip2", "lz4", "lzma", "zip", "tar", "ova"}
	eng := newEngine(t, engine.NewConfig())
	seen := 0
	for _, dir := range []string{"/usr/bin", "/usr/sbin", "/usr/lib", "/usr/share", "/usr/share/doc", "/usr/share/fonts", "/usr/share/icons", "/usr/share/mime", "/usr/include", "/etc"} {
		var files []string
		err := filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
			if err == nil && entry.Type().IsRegular() && !slices.Contains(images, filepath.Ext(path)) {
				files = append(files, path)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		step := max(1, len(files)/most)
		for i := 0; i < len(files); i += step {
			f, err := os.Open(files[i])
			if err != nil {
				continue // not ours to read, or gone
			}
			report, err := eng.Inspect(t.Context(), engine.File(f))
			f.Close()
			if err != nil {
				t.Errorf("%s: %v", files[i], err)
				continue
			}
			seen++
			if report.Format != engine.Raw && !slices.Contains(containers, report.Format) {
				t.Errorf("%s is taken for %s: %s", files[i], report.Format, text(report.Findings))
			}
			for _, f := range report.Findings {
				if f.Class == "probe-failure" {
					t.Errorf("%s: %s", files[i], text(f))
				}
			}
		}
	}
	if seen < 100 {
		t.Errorf("only %d files were there to look at", seen)
	}
}
