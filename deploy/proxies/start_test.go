package proxies_test

import (
	"bytes"
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// patience is for a proxy to start or stop on a busy machine.
const patience = 30 * time.Second

// proxies are those that there are snippets for.
var proxies = []struct {
	name  string
	start func(*testing.T, *world)
}{{"nginx", startNginx}, {"caddy", startCaddy}}

// installed is the path of a proxy. Where it is missing the test is skipped,
// but not on CI.
func installed(t *testing.T, name, pkg string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		path, err = exec.LookPath("/usr/sbin/" + name) // Debian leaves it out of a user's PATH.
	}
	switch {
	case err == nil:
		return path
	case os.Getenv("CI") != "":
		t.Fatalf("%s is not installed (CI is set): apt-get install %s", name, pkg)
	default:
		t.Skipf("%s is not installed: apt-get install %s", name, pkg)
	}
	return ""
}

// read is a file of deploy.
func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", filepath.FromSlash(name)))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// with replaces parts that an operator would; each must be there.
func with(t *testing.T, text string, oldnew ...string) string {
	t.Helper()
	for i := 0; i < len(oldnew); i += 2 {
		if !strings.Contains(text, oldnew[i]) {
			t.Fatalf("%q is not in the file any more", oldnew[i])
		}
	}
	return strings.NewReplacer(oldnew...).Replace(text)
}

// startNginx runs nginx with deploy/nginx, the sidecar and Plausible elsewhere.
func startNginx(t *testing.T, w *world) {
	binary := installed(t, "nginx", "nginx-light")
	dir := t.TempDir()
	own := filepath.Join(dir, "webhooks.conf")
	resolver := ""
	if w.resolver != "" {
		resolver = "resolver " + w.resolver + " valid=10s;\n"
	}
	write(t, own, with(t, read(t, "nginx/webhooks.conf"),
		"\nset $plausible_webhooks 127.0.0.1:8001;", "\n"+resolver+"set $plausible_webhooks "+w.told+";",
		"\nset $plausible_direct 127.0.0.1:8000;", "\nset $plausible_direct "+w.front+";"))
	address := strings.TrimPrefix(w.base, "http://")
	server := with(t, read(t, "nginx/plausible.conf"),
		"    listen 80;\n    listen [::]:80;\n", "    listen "+address+";\n",
		"/etc/nginx/webhooks.conf", own, "127.0.0.1:8000", w.front)
	config := filepath.Join(dir, "nginx.conf")
	write(t, config, "daemon off; worker_processes 1; pid "+dir+"/pid; error_log stderr;\n"+
		"events {}\nhttp { access_log off; client_body_temp_path "+dir+"/body; proxy_temp_path "+dir+"/proxy;\n"+
		"fastcgi_temp_path "+dir+"/f; uwsgi_temp_path "+dir+"/u; scgi_temp_path "+dir+"/s;\n"+server+"}\n")
	if os.Geteuid() == 0 {
		// Its worker is another user, who cannot enter a test's folder.
		write(t, config, "user root;\n"+string(must(os.ReadFile(config))(t)))
	}
	run(t, address, exec.Command(binary, "-p", dir, "-c", config, "-e", "stderr"))
}

func must[T any](value T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
}

// startCaddy runs Caddy with deploy/caddy, told by its environment.
func startCaddy(t *testing.T, w *world) {
	binary := installed(t, "caddy", "caddy")
	dir := t.TempDir()
	write(t, filepath.Join(dir, "webhooks.caddy"), read(t, "caddy/webhooks.caddy"))
	write(t, filepath.Join(dir, "Caddyfile"), "{\n\tadmin off\n}\n"+read(t, "caddy/Caddyfile"))
	cmd := exec.Command(binary, "run", "--config", filepath.Join(dir, "Caddyfile"), "--adapter", "caddyfile")
	cmd.Env = []string{
		"BASE_URL=" + w.base, "WEBHOOKS_SIDECAR=" + w.told, "WEBHOOKS_PLAUSIBLE=" + w.front,
		"HOME=" + dir, "XDG_DATA_HOME=" + dir, "XDG_CONFIG_HOME=" + dir,
	}
	run(t, strings.TrimPrefix(w.base, "http://"), cmd)
}

// run keeps a proxy until the test ends; what it said is told if that fails.
func run(t *testing.T, address string, cmd *exec.Cmd) {
	t.Helper()
	said := &output{}
	cmd.Stdout, cmd.Stderr = said, said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	exited := make(chan struct{})
	go func() {
		_ = cmd.Wait() // Its end is what counts; how, is in what it said.
		close(exited)
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt) // It may have ended already.
		select {
		case <-exited:
		case <-time.After(patience):
			_ = cmd.Process.Kill()
			<-exited
		}
		if t.Failed() {
			t.Logf("%s said:\n%s", filepath.Base(cmd.Path), said)
		}
	})
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for {
		connection, err := net.Dial("tcp", address)
		if err == nil {
			_ = connection.Close()
			return
		}
		select {
		case <-again.C:
		case <-exited:
			t.Fatalf("%s ended at once:\n%s", filepath.Base(cmd.Path), said)
		case <-ctx.Done():
			t.Fatalf("%s does not listen at %s: %v", filepath.Base(cmd.Path), address, err)
		}
	}
}

// output collects what a process says.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}
