package verify_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"plausible-webhooks/config/secret"
)

// startPatience bounds how long a program may take to listen.
const startPatience = 30 * time.Second

// receivers are programs that others wrote to verify signatures.
var receivers = []struct {
	name string

	// start is given secrets by name, and returns the address below which each
	// name is a path that accepts what is signed with its secret, and nothing
	// else.
	start func(t *testing.T, secrets map[string]secret.Text) (base string)

	refusal int // The status that answers a bad signature.
}{
	{"adnanh-webhook", startAdnanhWebhook, http.StatusInternalServerError}, // An invalid signature is an error to it.
	{"standardwebhooks-go", startStandardGo, http.StatusUnauthorized},
	{"standardwebhooks-javascript", startStandardJS, http.StatusUnauthorized},
}

// absent ends a test whose program is not there: on CI, where .ci/run installs
// it, that is a failure.
func absent(t *testing.T, format string, args ...any) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatalf(format, args...)
	}
	t.Skipf(format, args...)
}

// startAdnanhWebhook runs the program of github.com/adnanh/webhook as Debian
// packages it. It knows X-Webhook-Signature only.
func startAdnanhWebhook(t *testing.T, secrets map[string]secret.Text) string {
	program, err := exec.LookPath("webhook")
	if err != nil {
		absent(t, "webhook is not installed: apt-get install webhook (github.com/adnanh/webhook)")
	}
	type object = map[string]any
	var hooks []object
	for name, s := range secrets {
		hooks = append(hooks, object{
			"id": name, "execute-command": "/bin/echo", "include-command-output-in-response": true,
			"pass-arguments-to-command": []object{{"source": "payload", "name": "type"}},
			"trigger-rule": object{"match": object{
				"type": "payload-hmac-sha256", "secret": s.Reveal(), "parameter": object{"source": "header", "name": "X-Webhook-Signature"},
			}},
		})
	}
	file := filepath.Join(t.TempDir(), "hooks.json")
	content, err := json.Marshal(hooks)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, content, 0o600); err != nil {
		t.Fatal(err)
	}
	address := freeAddress(t)
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	run(t, exec.Command(program, "-hooks", file, "-ip", host, "-port", port, "-verbose"))
	untilListening(t, address)
	return "http://" + address + "/hooks/"
}

func startStandardGo(t *testing.T, secrets map[string]secret.Text) string {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		hook, err := standardwebhooks.NewWebhook(secrets[strings.TrimPrefix(r.URL.Path, "/")].Whsec())
		if err != nil {
			panic(err) // The test's own mistake, which no status must hide.
		}
		body, err := io.ReadAll(r.Body)
		if err == nil {
			err = hook.Verify(body, r.Header)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusUnauthorized)
		}
	}))
	t.Cleanup(server.Close)
	return server.URL + "/"
}

// startStandardJS runs standardwebhooks/receiver.js with the library from npm,
// at the version of its lock file.
func startStandardJS(t *testing.T, secrets map[string]secret.Text) string {
	for _, program := range []string{"node", "npm"} {
		if _, err := exec.LookPath(program); err != nil {
			absent(t, "%s is not installed: apt-get install npm", program)
		}
	}
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("standardwebhooks")); err != nil {
		t.Fatal(err)
	}
	install := exec.CommandContext(t.Context(), "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
	install.Dir = dir
	if out, err := install.CombinedOutput(); err != nil {
		for _, offline := range []string{"ENOTFOUND", "EAI_AGAIN", "ECONNREFUSED", "ETIMEDOUT", "ENETUNREACH"} {
			if bytes.Contains(out, []byte(offline)) {
				absent(t, "the npm registry cannot be reached (%s)", offline)
			}
		}
		t.Fatalf("npm ci: %v\n%s", err, out)
	}
	shown := make(map[string]string)
	for name, s := range secrets {
		shown[name] = s.Whsec() // The form that we print for such libraries.
	}
	input, err := json.Marshal(shown)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("node", "receiver.js")
	cmd.Dir, cmd.Stdin = dir, bytes.NewReader(input)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	run(t, cmd)
	port, err := bufio.NewReader(out).ReadString('\n') // Ends, too, when the program does.
	if err != nil {
		t.Fatalf("node tells no port: %v", err)
	}
	return "http://127.0.0.1:" + strings.TrimSpace(port) + "/"
}

// run starts a program and ends it with the test.
func run(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	var said bytes.Buffer
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // Killed, which is no news.
		if t.Failed() {
			t.Logf("%s said:\n%s", cmd.Path, &said)
		}
	})
}

func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	return listener.Addr().String()
}

// untilListening tries again until a program of others listens: it has no
// other way to tell.
func untilListening(t *testing.T, address string) {
	t.Helper()
	deadline := time.After(startPatience)
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			_ = conn.Close()
			return
		}
		select {
		case <-again.C:
		case <-deadline:
			t.Fatal(fmt.Errorf("nobody listens within %s: %w", startPatience, err))
		}
	}
}
