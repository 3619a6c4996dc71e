package mountinfo

import "testing"

func TestParse(t *testing.T) {
	for line, want := range map[string]Mount{
		`36 35 98:0 /mnt1 /mnt\0402 rw,noatime master:1 - ext3 /dev/root rw,errors=continue`: {"36", "/mnt1", "/mnt 2", "ext3", "rw,errors=continue"},
		`25 30 0:23 / /a\134b\011c rw - cgroup cgroup rw,memory`:                             {"25", "/", "/a\\b\tc", "cgroup", "rw,memory"},
		`25 30 0:23 / - cgroup cgroup rw`:                                                    {},
		`25 30 0:23 / /x rw cgroup cgroup rw`:                                                {},
		`25 30 0:23 / /x rw - cgroup`:                                                        {},
		``:                                                                                   {},
	} {
		if got := Parse(line); got != want {
			t.Errorf("%q: %+v", line, got)
		}
	}
}
