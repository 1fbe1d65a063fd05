package main

import (
	"syscall"
	"unsafe"
)

// kernelSigaction has the size of the kernel's struct on linux/amd64; it is
// only carried, never looked into.
type kernelSigaction [4]uint64

const signals = 64

// keepSignalHandlers remembers the handlers of all signals; the returned
// function puts back those that changed since.
func keepSignalHandlers() (restore func()) {
	var before [signals + 1]kernelSigaction
	for s := 1; s <= signals; s++ {
		swapHandler(s, nil, &before[s])
	}
	return func() {
		for s := 1; s <= signals; s++ {
			var now kernelSigaction
			if swapHandler(s, nil, &now); now != before[s] {
				swapHandler(s, &before[s], nil)
			}
		}
	}
}

// swapHandler cannot fail for signals in range, but for SIGKILL and SIGSTOP,
// whose handlers nobody can change.
func swapHandler(signal int, set, old *kernelSigaction) {
	const sizeOfMask = 8
	_, _, _ = syscall.RawSyscall6(syscall.SYS_RT_SIGACTION, uintptr(signal),
		uintptr(unsafe.Pointer(set)), uintptr(unsafe.Pointer(old)), sizeOfMask, 0, 0)
}
