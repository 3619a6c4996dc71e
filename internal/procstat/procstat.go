// Package procstat reads the account that Linux keeps of a process in
// /proc/PID/stat (proc_pid_stat(5)).
package procstat

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// behindName is the number of the first field behind the name of the program,
// which is in parentheses and may hold anything.
const behindName = 3

// Fields are those of a process from behind its name on, the first of which is
// its state.
type Fields []string

// Read returns the fields of a process; an error when there is none, or none
// that this one may see.
func Read(pid int) (Fields, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return nil, err
	}
	return strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:])), nil
}

// Number returns a field by its number in the manual, from 4 on.
func (f Fields) Number(field int) (uint64, error) {
	if field-behindName >= len(f) {
		return 0, fmt.Errorf("field %d of %d", field, len(f)+behindName-1)
	}
	return strconv.ParseUint(f[field-behindName], 10, 64)
}
