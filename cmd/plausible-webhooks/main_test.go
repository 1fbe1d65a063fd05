package main

import (
	"os"
	"syscall"
	"testing"
	"testing/synctest"
)

func TestTheSecondSignalIsNeverLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		signals, code := make(chan os.Signal, 2), 0
		ctx := untilSignalled(signals, func(c int) { code = c })
		synctest.Wait()
		if ctx.Err() != nil {
			t.Fatal("ended without a signal")
		}
		// Both at once, before anything could be done about the first.
		signals <- syscall.SIGTERM
		signals <- syscall.SIGINT
		synctest.Wait()
		if ctx.Err() == nil || code != 130 {
			t.Errorf("ended: %v, exit code %d; want it ended, and the process with 130", ctx.Err(), code)
		}
	})
}
