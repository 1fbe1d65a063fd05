package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// memoryUse is the resident memory of a process in bytes.
type memoryUse struct{ Now, Peak int64 }

// memoryOf reads VmRSS and VmHWM of a process; Linux only.
func memoryOf(pid int) (memoryUse, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return memoryUse{}, fmt.Errorf("read the memory of a process: %w", err)
	}
	use, err := parseMemory(string(status))
	if err != nil {
		return use, fmt.Errorf("read the memory of a process: %w", err)
	}
	return use, nil
}

func parseMemory(status string) (use memoryUse, err error) {
	for line := range strings.Lines(status) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		var where *int64
		switch name {
		case "VmRSS":
			where = &use.Now
		case "VmHWM":
			where = &use.Peak
		default:
			continue
		}
		kilobytes, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(value, "kB")), 10, 64)
		if err != nil {
			return use, fmt.Errorf("%s is %q", name, value)
		}
		*where = kilobytes << 10
	}
	if use.Now == 0 || use.Peak == 0 {
		return use, fmt.Errorf("VmRSS or VmHWM is missing")
	}
	return use, nil
}

// forgetPeak lets the peak of a process begin anew at what it has now.
func forgetPeak(pid int) error {
	if err := os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", pid), []byte("5"), 0); err != nil {
		return fmt.Errorf("reset the memory peak of a process: %w", err)
	}
	return nil
}

// clockTick is the unit of times in /proc; on Linux it is the same everywhere.
const clockTick = 10 * time.Millisecond

// cpuTime is what a process has used of all cores, in user and system mode.
func cpuTime(pid int) (time.Duration, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, fmt.Errorf("read the processor time of a process: %w", err)
	}
	used, err := parseCPU(string(stat))
	if err != nil {
		return 0, fmt.Errorf("read the processor time of a process: %w", err)
	}
	return used, nil
}

// parseCPU reads utime and stime, fields 14 and 15. The second field is the
// name in brackets, which may hold anything.
func parseCPU(stat string) (time.Duration, error) {
	fields := strings.Fields(stat[strings.LastIndexByte(stat, ')')+1:])
	if len(fields) < 13 {
		return 0, fmt.Errorf("it has %d fields after the name", len(fields))
	}
	var ticks int64
	for _, field := range fields[11:13] {
		n, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return 0, err
		}
		ticks += n
	}
	return time.Duration(ticks) * clockTick, nil
}
