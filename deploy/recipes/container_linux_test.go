package recipes_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// asContainer names the variable that makes this test binary set up a
// container and become what runs in it.
const asContainer = "RECIPES_CONTAINER"

// Exit statuses of what sets up the container, which are none of the sidecar's.
const (
	cannotConfine = 90 // The machine does not let us.
	notConfined   = 91 // What should be forbidden works.
)

// container is what a runtime would start for the image.
type container struct {
	Root string
	User string
	Args []string
	Env  []string
}

// command starts it, in namespaces of its own but for the network: the engines
// listen on the loopback interface.
func (c container) command(t *testing.T) *exec.Cmd {
	t.Helper()
	told, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = []string{asContainer + "=" + string(told)}
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWPID | syscall.CLONE_NEWIPC | syscall.CLONE_NEWUTS}
	return cmd
}

// needsContainers skips where the machine has none, but not on CI.
func needsContainers(t *testing.T) {
	t.Helper()
	reason := ""
	if os.Geteuid() != 0 {
		reason = "only root may set up a container here"
	} else {
		// Nothing of the kind is in the folder: what sets it up fails after it is set up.
		err := container{Root: t.TempDir(), User: "65532:65532", Args: []string{"/nothing"}}.command(t).Run()
		var ended *exec.ExitError
		if !errors.As(err, &ended) || ended.ExitCode() == cannotConfine {
			reason = fmt.Sprintf("this machine lets nobody set up a container: %v", err)
		}
	}
	switch {
	case reason == "":
	case os.Getenv("CI") != "":
		t.Fatalf("%s (CI is set)", reason)
	default:
		t.Skip(reason)
	}
}

// become sets up the container that the variable describes and runs its
// program in place of this one. It returns where there is nothing to become.
func become() {
	told, ok := os.LookupEnv(asContainer)
	if !ok {
		return
	}
	runtime.LockOSThread() // What is given up is given up by a thread, and exec goes on with it.
	var c container
	if err := json.Unmarshal([]byte(told), &c); err != nil {
		end(cannotConfine, err)
	}
	if err := c.confine(); err != nil {
		end(cannotConfine, err)
	}
	if err := c.confined(); err != nil {
		end(notConfined, err)
	}
	end(1, syscall.Exec(c.Args[0], c.Args, c.Env))
}

func end(status int, err error) {
	fmt.Fprintln(os.Stderr, "container:", err)
	os.Exit(status)
}

// confine does what compose.webhooks.yml asks of a container runtime: its own
// files, read-only, no privilege, and none to be had.
func (c container) confine() error {
	for _, step := range []struct {
		what string
		do   func() error
	}{
		{"keep mounts to ourselves", func() error { return unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, "") }},
		{"mount the files", func() error { return unix.Mount(c.Root, c.Root, "", unix.MS_BIND, "") }},
		{"make them read-only", func() error {
			return unix.Mount("", c.Root, "", unix.MS_REMOUNT|unix.MS_BIND|unix.MS_RDONLY|unix.MS_NOSUID|unix.MS_NODEV, "")
		}},
		{"enter them", func() error { return errors.Join(unix.Chdir(c.Root), unix.Chroot("."), unix.Chdir("/")) }},
		{"gain no privilege", func() error { return unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) }},
		{"become the user", c.becomeUser},
	} {
		if err := step.do(); err != nil {
			return fmt.Errorf("%s: %w", step.what, err)
		}
	}
	return nil
}

func (c container) becomeUser() error {
	user, group, _ := strings.Cut(c.User, ":")
	uid, err := strconv.Atoi(user)
	if err != nil {
		return err
	}
	gid, err := strconv.Atoi(group)
	if err != nil {
		return err
	}
	// The last one takes all capabilities along.
	return errors.Join(syscall.Setgroups(nil), syscall.Setgid(gid), syscall.Setuid(uid))
}

// confined checks that the container is none in name only.
func (c container) confined() error {
	if os.Getuid() == 0 || os.Getgid() == 0 {
		return errors.New("it is still root")
	}
	if err := os.WriteFile("/written", nil, 0o600); !errors.Is(err, unix.EROFS) {
		return fmt.Errorf("writing a file: %v; want a read-only file system", err)
	}
	if _, err := os.Stat("/bin/sh"); err == nil {
		return errors.New("there is a shell")
	}
	return nil
}

// size is that of all files below a folder.
func size(t *testing.T, root string) (bytes int64) {
	t.Helper()
	err := filepath.Walk(root, func(_ string, info os.FileInfo, err error) error {
		if err == nil && info.Mode().IsRegular() {
			bytes += info.Size()
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return bytes
}
