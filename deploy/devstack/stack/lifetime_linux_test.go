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

// serveEnv turns the test binary into a process that starts the server it
// names, tells its folder, and waits to be killed.
const serveEnv = "DEVSTACK_TEST_SERVE"

func TestMain(m *testing.M) {
	if name := os.Getenv(serveEnv); name != "" {
		run, err := serve(name)
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		fmt.Println(run.path)
		select {}
	}
	os.Exit(Main(m))
}

func serve(name string) (*runDir, error) {
	if name == "clickhouse" {
		server, err := startClickHouseEngine(context.Background(), ClickHouseOptions{})
		if err != nil {
			return nil, err
		}
		return server.run, nil
	}
	server, err := startEngine(context.Background(), PostgresOptions{})
	if err != nil {
		return nil, err
	}
	return server.run, nil
}

// deathTimeout bounds the end of a server whose parent was killed: it has to
// end its own children first.
const deathTimeout = 20 * time.Second

func TestServerDiesWithItsParent(t *testing.T) {
	t.Run("postgres", func(t *testing.T) { diesWithItsParent(t, "postgres", "data/PG_VERSION") })
	t.Run("clickhouse", func(t *testing.T) { diesWithItsParent(t, "clickhouse", "data/engine") })
}

// diesWithItsParent checks that no process of a server is left when its parent
// was killed, and that its folder, which holds file, goes with the next start.
func diesWithItsParent(t *testing.T, server, file string) {
	parent := exec.Command(os.Args[0])
	parent.Env = append(os.Environ(), serveEnv+"="+server)
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
	if _, err := os.Stat(filepath.Join(path, filepath.FromSlash(file))); err != nil {
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
