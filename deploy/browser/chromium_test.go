package browser_test

import (
	"context"
	"os"
	"os/exec"
	"testing"
	"time"

	"plausible-webhooks/deploy/devstack/stack"

	"github.com/chromedp/chromedp"
)

func TestMain(m *testing.M) { os.Exit(stack.Main(m)) }

// patience bounds one step on a busy machine.
const patience = 60 * time.Second

// chromium starts the browser, which ends with the test.
func chromium(t *testing.T) context.Context {
	t.Helper()
	var program string
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if found, err := exec.LookPath(name); err == nil {
			program = found
			break
		}
	}
	if program == "" {
		const missing = "no browser is installed: apt-get install chromium"
		if os.Getenv("CI") != "" {
			t.Fatal(missing)
		}
		t.Skip(missing)
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(program),
		chromedp.NoSandbox, // Chromium refuses to run as root with it; it sees only pages of this test.
		chromedp.DisableGPU,
		chromedp.Flag("disable-dev-shm-usage", true),
		chromedp.WSURLReadTimeout(patience),
	)
	allocated, end := chromedp.NewExecAllocator(context.WithoutCancel(t.Context()), options...)
	ctx, stop := chromedp.NewContext(allocated)
	t.Cleanup(func() {
		stop() // Waits until the browser has ended.
		end()
	})
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("start %s: %v", program, err)
	}
	return ctx
}
