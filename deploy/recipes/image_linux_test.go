package recipes_test

import (
	"bytes"
	"context"
	"debug/elf"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"plausible-webhooks/deploy/devstack/plausible"
	"plausible-webhooks/deploy/devstack/stack"
)

func TestMain(m *testing.M) {
	become()
	os.Exit(stack.Main(m))
}

const (
	// mostBytes is what the image may have. It has one layer for each file, and
	// nothing else.
	mostBytes = 30_000_000
	patience  = 40 * time.Second
)

// program is the binary of an image, for a machine.
func program(t *testing.T, image built, machine elf.Machine) *elf.File {
	t.Helper()
	file, err := elf.Open(filepath.Join(image.root, image.run[0]))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = file.Close() })
	if file.Machine != machine {
		t.Errorf("the binary is for %s; want %s", file.Machine, machine)
	}
	for _, segment := range file.Progs {
		if segment.Type == elf.PT_INTERP {
			t.Error("the binary wants a dynamic linker, which the image does not have")
		}
	}
	return file
}

func wantSmall(t *testing.T, image built) {
	t.Helper()
	bytes := size(t, image.root)
	t.Logf("the image has %.1f MB", float64(bytes)/1e6)
	if bytes >= mostBytes {
		t.Errorf("the image has %d bytes; want less than %d", bytes, mostBytes)
	}
}

func TestTheImageForArm64(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the program for another machine")
	}
	image := build(t, map[string]string{"TARGETOS": "linux", "TARGETARCH": "arm64"})
	program(t, image, elf.EM_AARCH64)
	wantSmall(t, image)
}

// From the Dockerfile to a sidecar that is ready: as a user without a name,
// with files that cannot be written.
func TestTheImageRuns(t *testing.T) {
	needsContainers(t)
	image := build(t, map[string]string{"TARGETOS": "linux", "TARGETARCH": "amd64", "VERSION": "1.2.3"})
	program(t, image, elf.EM_X86_64)
	wantSmall(t, image)
	enterable(t, image.root)

	ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
	defer cancel()
	database, events := stack.TestDatabase(t, stack.V32), stack.TestEvents(t)
	web, err := plausible.Start(ctx, plausible.Options{DatabaseURL: database, ClickHouseURL: events})
	if err != nil {
		t.Fatal(err)
	}
	defer web.Stop()
	environ := []string{
		"DATABASE_URL=" + database, "CLICKHOUSE_DATABASE_URL=" + events, "WEBHOOKS_PLAUSIBLE_URL=" + web.URL(),
		"BASE_URL=https://plausible.example.com", "SECRET_KEY_BASE=" + strings.Repeat("0123456789abcdef", 4),
		"WEBHOOKS_LISTEN=" + freeAddress(t), "WEBHOOKS_ADMIN_LISTEN=" + freeAddress(t),
	}
	within := func(args ...string) container {
		return container{Root: image.root, User: image.user, Args: append([]string{image.run[0]}, args...), Env: environ}
	}

	if out, err := within("version").command(t).CombinedOutput(); err != nil || string(out) != "plausible-webhooks 1.2.3\n" {
		t.Errorf("version = %q, %v; want what VERSION said", out, err)
	}
	if out, err := within("health").command(t).CombinedOutput(); exitCode(err) != 1 {
		t.Errorf("health before it runs = %v; want exit status 1\n%s", err, out)
	}

	var log bytes.Buffer
	running := within(image.run[1:]...).command(t)
	running.Stdout, running.Stderr = &log, &log
	if err := running.Start(); err != nil {
		t.Fatal(err)
	}
	exited := make(chan error, 1)
	go func() { exited <- running.Wait() }()
	again := time.NewTicker(100 * time.Millisecond)
	defer again.Stop()
	for ready := false; !ready; {
		out, err := within("health", "--ready").command(t).CombinedOutput()
		if ready = err == nil; ready {
			break
		}
		select {
		case <-again.C:
		case err := <-exited:
			t.Fatalf("run ended: %v\n%s", err, log.String())
		case <-ctx.Done():
			_ = running.Process.Kill()
			<-exited
			t.Fatalf("it is not ready: %s\n%s", out, log.String())
		}
	}
	out, err := within("check").command(t).CombinedOutput()
	t.Logf("check:\n%s", out)
	if err != nil {
		t.Errorf("check = %v; want all in order", err)
	}
	if err := running.Process.Signal(syscall.SIGTERM); err != nil {
		t.Error(err)
	}
	select {
	case err := <-exited:
		if err != nil {
			t.Errorf("run = %v after SIGTERM; want exit status 0\n%s", err, log.String())
		}
	case <-time.After(15 * time.Second): // As stop_grace_period says.
		_ = running.Process.Kill()
		t.Errorf("run goes on 15 s after SIGTERM: %v", <-exited)
	}
}

// enterable lets the user of the image into a test's folder: a container
// runtime has no folder above the files.
func enterable(t *testing.T, root string) {
	t.Helper()
	for dir := root; dir != os.TempDir() && dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
}

func exitCode(err error) int {
	if ended, ok := err.(*exec.ExitError); ok {
		return ended.ExitCode()
	}
	return -1
}

// freeAddress is a port of the loopback interface that nobody listens at now.
func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	return listener.Addr().String()
}
