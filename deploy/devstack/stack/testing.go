package stack

import (
	"slices"
	"sync"
	"testing"
)

var (
	exitMutex sync.Mutex
	exitHooks []func()
)

// onExit has f called when the test binary ends by way of Main, the last one
// first. Shared servers stop there; without Main they die with the process.
func onExit(f func()) {
	exitMutex.Lock()
	defer exitMutex.Unlock()
	exitHooks = append(exitHooks, f)
}

// Main runs the tests of a binary and then stops the shared servers. Call it
// as
//
//	func TestMain(m *testing.M) { os.Exit(stack.Main(m)) }
func Main(m *testing.M) int {
	defer runExitHooks()
	return m.Run()
}

func runExitHooks() {
	exitMutex.Lock()
	hooks := exitHooks
	exitHooks = nil
	exitMutex.Unlock()
	for _, hook := range slices.Backward(hooks) {
		hook()
	}
}
