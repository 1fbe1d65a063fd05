package stack

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// serveEnv turns the test binary into a process that starts a server, tells
// its folder, and waits to be killed.
const serveEnv = "DEVSTACK_TEST_SERVE"

func TestMain(m *testing.M) {
	if os.Getenv(serveEnv) != "" {
		server, err := startEngine(context.Background(), PostgresOptions{})
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		fmt.Println(server.run.path)
		select {}
	}
	os.Exit(Main(m))
}

// deathTimeout bounds the end of a server whose parent was killed: it has to
// end its own children first.
const deathTimeout = 20 * time.Second

func TestServerDiesWithItsParent(t *testing.T) {
	parent := exec.Command(os.Args[0])
	parent.Env = append(os.Environ(), serveEnv+"=1")
	parent.Stderr = os.Stderr
	out, err := parent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	path := strings.TrimSpace(line)
	lock, err := os.OpenFile(path+lockSuffix, os.O_RDWR, 0)
	if err != nil {
		t.Fatalf("the process printed %q: %v", path, err)
	}
	defer lock.Close()
	if err := tryLockFile(lock); !errors.Is(err, errLocked) {
		t.Fatalf("lock of a running server: got %v, want %v", err, errLocked)
	}
	if err := parent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = parent.Wait()

	// Every process of the server holds the lock, so having it means that none
	// of them is left.
	locked := make(chan error, 1)
	go func() { locked <- syscall.Flock(int(lock.Fd()), syscall.LOCK_EX) }()
	select {
	case err := <-locked:
		if err != nil {
			t.Fatal(err)
		}
	case <-time.After(deathTimeout):
		t.Fatalf("processes of the server are left %v after their parent was killed", deathTimeout)
	}
	if _, err := os.Stat(filepath.Join(path, "data", "PG_VERSION")); err != nil {
		t.Errorf("data before the next start: %v", err)
	}
	if err := lock.Close(); err != nil {
		t.Fatal(err)
	}
	next, err := newRunDir("next")
	if err != nil {
		t.Fatal(err)
	}
	if err := next.remove(); err != nil {
		t.Error(err)
	}
	if left, _ := filepath.Glob(path + "*"); len(left) > 0 {
		t.Errorf("left after the next start: %v", left)
	}
}

func TestRemoveDeadLeavesTheLiving(t *testing.T) {
	root := t.TempDir()
	folder := func(name string) *os.File {
		t.Helper()
		if err := os.MkdirAll(filepath.Join(root, name, "data"), 0o755); err != nil {
			t.Fatal(err)
		}
		lock, err := os.Create(filepath.Join(root, name+lockSuffix))
		if err != nil {
			t.Fatal(err)
		}
		return lock
	}
	living := folder("living")
	defer living.Close()
	if err := tryLockFile(living); err != nil {
		t.Fatal(err)
	}
	folder("dead").Close()

	removeDead(root)
	left, err := filepath.Glob(filepath.Join(root, "*"))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{filepath.Join(root, "living"), filepath.Join(root, "living"+lockSuffix)}
	if strings.Join(left, " ") != strings.Join(want, " ") {
		t.Errorf("left: got %v, want %v", left, want)
	}
}
