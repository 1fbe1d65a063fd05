package main

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"
)

func processors() int { return runtime.NumCPU() }

// processorTimes are what this process and the database server have used.
type processorTimes struct{ here, postgres time.Duration }

func (b *sendBed) used() (t processorTimes, err error) {
	if t.here, err = cpuTime(os.Getpid()); err != nil {
		return t, err
	}
	t.postgres, err = familyTime(b.postgres.PID())
	return t, err
}

// familyTime is what a process, its children and those of them that have
// ended have used.
func familyTime(parent int) (sum time.Duration, err error) {
	processes, err := os.ReadDir("/proc")
	if err != nil {
		return 0, fmt.Errorf("list processes: %w", err)
	}
	for _, p := range processes {
		pid, err := strconv.Atoi(p.Name())
		if err != nil {
			continue
		}
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			continue // It has ended.
		}
		// After the name in brackets: state, parent; 11 to 14 are the times.
		fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
		if len(fields) < 15 || pid != parent && fields[1] != strconv.Itoa(parent) {
			continue
		}
		times := fields[11:13]
		if pid == parent {
			times = fields[11:15]
		}
		for _, text := range times {
			ticks, err := strconv.ParseInt(text, 10, 64)
			if err != nil {
				return 0, fmt.Errorf("read the processor time of process %d: %w", pid, err)
			}
			sum += time.Duration(ticks) * clockTick
		}
	}
	return sum, nil
}
