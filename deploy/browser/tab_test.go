package browser_test

import (
	"context"
	_ "embed"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

//go:embed find.js
var find string

// tab is one person with a browser window of their own.
type tab struct {
	*testing.T
	ctx     context.Context
	house   *house
	way     way
	site    site
	email   string
	picture string // Begins the names of screenshots.

	mu      sync.Mutex // Guards trouble, which the browser's events fill.
	trouble []string
}

// open makes a tab that is set up the way it shall be.
func open(t *testing.T, browser context.Context, h *house, name string, w way) *tab {
	t.Helper()
	b := &tab{T: t, house: h, way: w, picture: name}
	ctx, end := chromedp.NewContext(browser, chromedp.WithNewBrowserContext(), chromedp.WithListener(b.hear))
	t.Cleanup(end)
	b.ctx = ctx
	if err := chromedp.Do(ctx); err != nil { // Without a deadline, which would be that of the tab.
		t.Fatalf("open a tab: %v", err)
	}
	b.do("set up the tab",
		command(log.Enable, cdp.Empty{}),
		b.window(0),
		prefers(w.dark),
		command(emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: w.noScript}),
	)
	t.Cleanup(b.wantNoTrouble)
	return b
}

// command is an action of the protocol itself.
func command[P, R any](c cdp.Command[P, R], params P) step {
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, c, params)
		return err
	})
}

// window is a screen, or a telephone; as high as its page for a picture.
func (b *tab) window(high int64) step {
	p := emulation.SetDeviceMetricsOverrideParams{Width: 1280, Height: max(900, high), DeviceScaleFactor: 1}
	if b.way.narrow {
		p.Width, p.Height, p.Mobile = 360, max(740, high), true
	}
	return command(emulation.SetDeviceMetricsOverride, p)
}

// prefers is what the system tells pages of its person's taste.
func prefers(dark bool) step {
	scheme := map[bool]string{true: "dark", false: "light"}[dark]
	return command(emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
		{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: "reduce"},
	}})
}

// hear collects what a developer would find in the console: errors of scripts,
// what a policy refused, what could not be loaded.
func (b *tab) hear(event any) {
	var text string
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		text = e.ExceptionDetails.Text
		if e.ExceptionDetails.Exception != nil {
			text += " " + e.ExceptionDetails.Exception.Description
		}
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.ConsoleAPICalledTypeError || e.Type == runtime.ConsoleAPICalledTypeWarning {
			text = fmt.Sprintf("console.%s with %d values", e.Type, len(e.Args))
		}
	case *log.EventEntryAdded:
		// The status of a page itself is checked where it is opened.
		ownStatus := strings.Contains(e.Entry.Text, "the server responded with a status of") && !strings.Contains(e.Entry.URL, "/assets/")
		if !ownStatus && (e.Entry.Level == log.EntryLevelError || e.Entry.Level == log.EntryLevelWarning) {
			text = fmt.Sprintf("%s %s: %s (%s)", e.Entry.Source, e.Entry.Level, e.Entry.Text, e.Entry.URL)
		}
	}
	if text != "" {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.trouble = append(b.trouble, text)
	}
}

func (b *tab) wantNoTrouble() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, text := range b.trouble {
		b.Errorf("the browser's console says: %s", text)
	}
	b.trouble = nil
}

// step is an action of chromedp.
type step = chromedp.Action[chromedp.Void]

func (b *tab) do(what string, actions ...step) {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, actions...); err != nil {
		b.Fatalf("%s: %v", what, err)
	}
}

// js runs in the page, also where the page's own scripts do not.
func js(expression string) step { return chromedp.Evaluate[chromedp.Void](expression) }

// eval asks the page, and waits where the answer is a promise.
func eval[T any](b *tab, expression string) T {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	answer, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise, func(p *runtime.EvaluateParams) {
		yes := true
		p.UserGesture = &yes // As if a person had clicked, for what pages may only do then.
	}))
	if err != nil {
		b.Fatalf("evaluate %.200s: %v", expression, err)
	}
	return answer
}

// load waits for the page that an action leads to, and checks its status.
func (b *tab) load(what string, status int64, action step) {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	answer, err := chromedp.RunResponse(ctx, action)
	if err != nil {
		b.Fatalf("%s: %v; the page says\n%s", what, err, b.text())
	}
	if answer.Status != status {
		b.Fatalf("%s: %s answers %d, want %d:\n%s", what, answer.URL, answer.Status, status, b.text())
	}
	b.wantFits(what)
}

// visit types an address below the instance.
func (b *tab) visit(path string) { b.Helper(); b.visitFor(path, 200) }

func (b *tab) visitFor(path string, status int64) {
	b.Helper()
	b.load("open "+path, status, chromedp.Navigate(b.house.front.URL()+path))
}

type place struct {
	X, Y float64
	Why  string
}

func (b *tab) find(kind, name string) place {
	b.Helper()
	at := eval[place](b, fmt.Sprintf("(%s)(%q, %q)", strings.TrimSpace(find), kind, name))
	if at.Why != "" {
		b.Fatalf("%s %q: %s", kind, name, at.Why)
	}
	return at
}

// press clicks on a link, a button or a summary, without going anywhere.
func (b *tab) press(name string) {
	b.Helper()
	at := b.find("press", name)
	b.do("press "+name, chromedp.MouseClickXY(at.X, at.Y))
}

// follow presses what leads to another page.
func (b *tab) follow(name string) { b.Helper(); b.followFor(name, 200) }

func (b *tab) followFor(name string, status int64) {
	b.Helper()
	at := b.find("press", name)
	b.load("press "+name, status, chromedp.MouseClickXY(at.X, at.Y))
}

// fill replaces what stands in a field, as typing does.
func (b *tab) fill(label, text string) {
	b.Helper()
	at := b.find("field", label)
	b.do("fill "+label, chromedp.MouseClickXY(at.X, at.Y), js("pwFound.select()"))
	if text == "" {
		b.do("empty "+label, chromedp.KeyEvent("\b"))
		return
	}
	b.do("fill "+label, typed(text))
}

func typed(text string) step {
	return command(input.InsertText, input.InsertTextParams{Text: text})
}

// tick presses a box or a choice.
func (b *tab) tick(label string) {
	b.Helper()
	at := b.find("field", label)
	b.do("tick "+label, chromedp.MouseClickXY(at.X, at.Y))
}

// choose takes an entry of a list by its text.
func (b *tab) choose(label, entry string) {
	b.Helper()
	b.find("field", label)
	found := eval[bool](b, fmt.Sprintf(`(() => {
		const option = [...pwFound.options].find((o) => o.text.trim() === %q);
		if (!option) return false;
		pwFound.value = option.value;
		pwFound.dispatchEvent(new Event("input", { bubbles: true }));
		pwFound.dispatchEvent(new Event("change", { bubbles: true }));
		return true;
	})()`, entry))
	if !found {
		b.Fatalf("the list %q has no %q", label, entry)
	}
}

// value is what stands in a field.
func (b *tab) value(label string) string {
	b.Helper()
	b.find("field", label)
	return eval[string](b, "pwFound.value")
}

// text is what can be read on the page.
func (b *tab) text() string {
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	text, err := chromedp.Run(ctx, chromedp.Evaluate[string](`document.body ? document.body.innerText.replace(/\s+/g, " ") : ""`))
	if err != nil {
		return err.Error() // The page went away meanwhile: whoever waits asks again.
	}
	return text
}

// wants waits until the page says all of this: some pages look again by
// themselves.
func (b *tab) wants(texts ...string) {
	b.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	for {
		said, missing := b.text(), ""
		for _, text := range texts {
			if !strings.Contains(said, text) {
				missing = text
			}
		}
		if missing == "" {
			return
		}
		select {
		case <-again.C:
		case <-deadline.C:
			b.Fatalf("the page says\n\t%s\nwant %q in it", said, missing)
		}
	}
}

func (b *tab) lacks(texts ...string) {
	b.Helper()
	said := b.text()
	for _, text := range texts {
		if strings.Contains(said, text) {
			b.Errorf("the page says\n\t%s\nwant no %q in it", said, text)
		}
	}
}

// wantFits fails where a person would have to scroll sideways.
func (b *tab) wantFits(what string) {
	b.Helper()
	over := eval[[]string](b, `(() => {
		const wide = document.documentElement.clientWidth;
		if (document.documentElement.scrollWidth <= wide) return [];
		return [...document.querySelectorAll("body *")].filter((e) => e.getBoundingClientRect().right > wide + 1).slice(0, 3).map((e) => e.outerHTML.slice(0, 160));
	})()`)
	if len(over) > 0 {
		b.Errorf("%s: the page is wider than the window, for example by %s", what, strings.Join(over, "\n\t"))
	}
}

// shot writes a picture of the whole page.
func (b *tab) shot(name string) {
	b.Helper()
	// What lies below the window would be painted only in part.
	b.do("grow the window", b.window(eval[int64](b, "document.documentElement.scrollHeight")))
	defer b.do("shrink the window", b.window(0))
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	png, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
	if err != nil {
		b.Fatalf("take a picture: %v", err)
	}
	if err := os.MkdirAll("screenshots", 0o755); err != nil {
		b.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join("screenshots", b.picture+"-"+name+".png"), png, 0o644); err != nil {
		b.Fatal(err)
	}
}
