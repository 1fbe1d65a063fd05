package verify_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"plausible-webhooks/config/event"
	"plausible-webhooks/config/event/eventtest"
	"plausible-webhooks/deploy/verify"
)

const (
	whsec = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwAAECAwQFBgc="
	plain = "a secret of plain text"
	body  = `{"type":"traffic.spike","data":{"name":"Ünïcode & <tags>"}}`
)

// sign makes the headers of a request with code that is not the project's own.
func sign(t *testing.T, secret string, at time.Time, signed string) map[string]string {
	t.Helper()
	var hook *standardwebhooks.Webhook
	var err error
	if strings.HasPrefix(secret, "whsec_") {
		hook, err = standardwebhooks.NewWebhook(secret)
	} else {
		hook, err = standardwebhooks.NewWebhookRaw([]byte(secret))
	}
	if err != nil {
		t.Fatal(err)
	}
	const id = "0199a1b2-0000-7000-8000-000000000001"
	signature, err := hook.Sign(id, at, []byte(signed))
	if err != nil {
		t.Fatal(err)
	}
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(signed))
	return map[string]string{
		"webhook-id":          id,
		"webhook-timestamp":   strconv.FormatInt(at.Unix(), 10),
		"webhook-signature":   signature,
		"x-webhook-signature": "sha256=" + hex.EncodeToString(mac.Sum(nil)),
	}
}

// example runs one of the programs and returns what it says.
type example func(t *testing.T, secret string, headers map[string]string, body string) bool

func script(name string, args ...string) example {
	return func(t *testing.T, secret string, headers map[string]string, body string) bool {
		t.Helper()
		encoded, err := json.Marshal(headers)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := exec.LookPath(name); err != nil && (name == "php" || name == "ruby") {
			if os.Getenv("CI") != "" {
				t.Fatal(name + " is not installed, and CI is set")
			}
			t.Skip(name + " is not installed, so this example is not tried")
		}
		cmd := exec.CommandContext(t.Context(), name, append(args, secret, string(encoded))...)
		cmd.Stdin = strings.NewReader(body)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", name, err, out)
		}
		return strings.TrimSpace(string(out)) == "true"
	}
}

func shell(t *testing.T, secret string, headers map[string]string, body string) bool {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "sh", "verify.sh", secret, headers["x-webhook-signature"])
	cmd.Stdin = strings.NewReader(body)
	return cmd.Run() == nil
}

func inGo(_ *testing.T, secret string, headers map[string]string, body string) bool {
	header := http.Header{}
	for name, value := range headers {
		header.Set(name, value)
	}
	return verify.Verify(secret, header, []byte(body))
}

var examples = []struct {
	name          string
	run           example
	seesTimestamp bool // Whether it checks webhook-signature, which dates the request.
}{
	{"verify.js", script("node", "-e", `const [secret, headers] = process.argv.slice(1);
		console.log(require("./verify.js").verify(secret, JSON.parse(headers), require("node:fs").readFileSync(0)))`), true},
	{"verify.py", script("python3", "-B", "-c", `import json, sys; from verify import verify
print(str(verify(sys.argv[1], json.loads(sys.argv[2]), sys.stdin.buffer.read())).lower())`), true},
	{"verify.php", script("php", "-r", `require "./verify.php"; array_shift($argv);
		echo verify($argv[0], json_decode($argv[1], true), file_get_contents("php://stdin")) ? "true" : "false";`, "--"), true},
	{"verify.rb", script("ruby", "-rjson", "-e", `require "./verify"; puts verify(ARGV[0], JSON.parse(ARGV[1]), $stdin.binmode.read)`), true},
	{"verify.sh", shell, false},
	{"verify.go", inGo, false},
}

func TestExamplesAcceptAndRefuse(t *testing.T) {
	now := time.Now()
	for _, e := range examples {
		t.Run(e.name, func(t *testing.T) {
			t.Parallel()
			for _, secret := range []string{whsec, plain} {
				headers := sign(t, secret, now, body)
				if !e.run(t, secret, headers, body) {
					t.Errorf("a good signature with secret %q was refused", secret)
				}
				if e.run(t, secret, headers, body+" ") {
					t.Errorf("a changed body with secret %q was accepted", secret)
				}
				if e.run(t, secret+"x", headers, body) && secret == plain {
					t.Errorf("a wrong secret was accepted")
				}
			}
			old := sign(t, whsec, now.Add(-10*time.Minute), body)
			if e.seesTimestamp && e.run(t, whsec, old, body) {
				t.Error("a request of ten minutes ago was accepted")
			}
		})
	}
}

// During a rotation both secrets sign.
func TestExamplesAcceptARotation(t *testing.T) {
	now := time.Now()
	headers, previous := sign(t, whsec, now, body), sign(t, plain, now, body)
	headers["webhook-signature"] += " " + previous["webhook-signature"]
	headers["x-webhook-signature"] += "," + previous["x-webhook-signature"]
	for _, e := range examples {
		t.Run(e.name, func(t *testing.T) {
			t.Parallel()
			for _, secret := range []string{whsec, plain} {
				if !e.run(t, secret, headers, body) {
					t.Errorf("a request signed with both secrets was refused with %q", secret)
				}
			}
		})
	}
}

func TestReadmeShowsTheExamples(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range examples {
		source, err := os.ReadFile(e.name)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(readme), strings.TrimSpace(string(source))) {
			t.Errorf("README.md does not show %s as it is", e.name)
		}
	}
}

func TestSettingsPageShowsTheExamples(t *testing.T) {
	for _, e := range examples {
		source, err := os.ReadFile(e.name)
		if err != nil {
			t.Fatal(err)
		}
		shown, err := os.ReadFile("../../config/settings/verify/" + strings.Replace(e.name, ".go", ".go.txt", 1))
		if err != nil || string(shown) != string(source) {
			t.Errorf("the settings page does not show %s as it is (%v): copy it to config/settings/verify", e.name, err)
		}
	}
}

var jsonBlock = regexp.MustCompile("(?s)```json\n(.*?)```")

func TestReadmeShowsValidPayloads(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := jsonBlock.FindAllSubmatch(readme, -1)
	if len(blocks) == 0 {
		t.Fatal("README.md shows no payload")
	}
	for _, block := range blocks {
		eventtest.Validate(t, block[1])
	}
}

func TestReadmeAndReferenceTellOfEveryEvent(t *testing.T) {
	for _, name := range []string{"../../README.md", "../REFERENCE.md"} {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, typ := range event.Types() {
			if !strings.Contains(string(text), "`"+string(typ)+"`") {
				t.Errorf("%s does not tell of %s", name, typ)
			}
		}
	}
}
