package shell_test

import (
	"crypto/sha256"
	"encoding/base64"
	"regexp"
	"strings"
	"testing"

	"plausible-webhooks/config/settings/shell"
)

// document is as v3.2 has it: header, menu, and the column of the page.
const document = `<!DOCTYPE html><html class="h-full plausible"><head><title>Plausible</title><link rel="stylesheet" href="/css/app-abc.css?vsn=d">
<script>theme()</script><script type="text/javascript" src="/js/app.js"></script></head>
<body class="bg-gray-50" onload="start()"><header><div x-data="dropdown"><button x-on:click="toggle">Menu</button></div></header><main>
<div class="lg:grid lg:grid-cols-12"><div class="lg:col-span-3">
<form class="lg:hidden"><select name="tab" onchange="go(this)"><option value="general">General</option><option value="people">People</option><option value="email-reports" selected>Email reports</option></select></form>
<div data-testid="settings-sidebar"><a href="/example.com/settings/general" class="tab">General</a><a href="/example.com/settings/people" class="tab">People</a><a href="/example.com/settings/email-reports" class="tab active">Email reports</a></div></div>
<div class="space-y-6 lg:col-span-9"><script>gone()</script><form onsubmit="gone()">Weekly reports</form></div></div></main></body></html>`

var contents = shell.Contents{Domain: "example.com", Title: "Webhooks", Body: "<p>ours &amp; <em>theirs</em></p>", Styles: []string{"/s.css"}, Scripts: []string{"/s.js"}}

func TestAround(t *testing.T) {
	got := shell.Around([]byte(document), contents)
	page := string(got.HTML)
	if got.Plain {
		t.Fatalf("v3.2 was not recognised:\n%s", page)
	}
	for _, want := range []string{
		`<title>Webhooks · example.com · Plausible</title>`, `<link rel="stylesheet" href="/s.css"/>`, `<script defer="" src="/s.js"></script></head>`,
		`/css/app-abc.css?vsn=d`, `<div x-ignore=""><p>ours &amp; <em>theirs</em></p></div></div>`, `x-data="dropdown"`,
		`<a href="/example.com/settings/webhooks" class="tab active" aria-current="page">Webhooks</a>`, `<a class="tab" href="/example.com/settings/email-reports">`,
		`<select name="tab" data-pws-follow="">`, `<option value="/example.com/settings/general">`, `<option value="/example.com/settings/webhooks" selected="">`,
	} {
		if !strings.Contains(page, want) {
			t.Errorf("no %s in\n%s", want, page)
		}
	}
	if strings.Contains(page, "gone()") || strings.Contains(page, "Weekly reports") {
		t.Errorf("Plausible's own content is still there:\n%s", page)
	}
}

func TestPolicyLetsPlausiblesScriptsWorkAndNoOthers(t *testing.T) {
	got := shell.Around([]byte(document), contents)
	nonce := regexp.MustCompile(`<script nonce="([A-Z2-7]{26})">theme\(\)</script>`).FindStringSubmatch(string(got.HTML))
	if nonce == nil {
		t.Fatalf("the inline script has no nonce:\n%s", got.HTML)
	}
	sum := sha256.Sum256([]byte("start()"))
	want := "script-src 'self' 'nonce-" + nonce[1] + "' 'unsafe-hashes' 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "' 'unsafe-eval';"
	if !strings.Contains(got.Policy, want) {
		t.Errorf("policy %q; want %s", got.Policy, want)
	}
	if strings.Count(got.Policy, "sha256") != 1 {
		t.Errorf("policy %q; want the one handler that is left", got.Policy)
	}
	if strings.Contains(string(got.HTML), `nonce="`+nonce[1]+`" src`) || strings.Count(string(got.HTML), "nonce=") != 1 {
		t.Errorf("scripts from files have a nonce, which would let them be loaded from anywhere:\n%s", got.HTML)
	}
	calm := strings.NewReplacer(` onload="start()"`, "", ` x-data="dropdown"`, "", ` x-on:click="toggle"`, "").Replace(document)
	if policy := shell.Around([]byte(calm), contents).Policy; strings.Contains(policy, "unsafe-eval") || strings.Contains(policy, "unsafe-hashes") {
		t.Errorf("policy %q; want no more than the page needs", policy)
	}
}

func TestWhatIsNotRecognisedGetsThePlainLayout(t *testing.T) {
	for name, other := range map[string]string{
		"nothing":            "",
		"no columns":         strings.ReplaceAll(document, "lg:col-span-", "col-"),
		"no second column":   strings.Replace(document, "space-y-6 lg:col-span-9", "space-y-6", 1),
		"no menu":            strings.ReplaceAll(document, "/example.com/settings/", "/settings/"),
		"in a LiveView":      strings.Replace(document, `<main>`, `<main><div data-phx-main data-phx-session="x">`, 1),
		"the menu elsewhere": strings.ReplaceAll(document, "/example.com/", "/example.org/"),
	} {
		got := shell.Around([]byte(other), contents)
		page := string(got.HTML)
		if !got.Plain || !strings.Contains(page, "<p>ours &amp; <em>theirs</em></p>") || !strings.Contains(page, `href="/example.com/settings/general"`) {
			t.Errorf("%s: plain %v:\n%s", name, got.Plain, page)
		}
		if !strings.Contains(got.Policy, "script-src 'self';") || !strings.Contains(got.Policy, "style-src 'self';") {
			t.Errorf("%s: policy %q; want only our own files", name, got.Policy)
		}
	}
}

func TestPlainIsDarkWherePlausibleIs(t *testing.T) {
	other := strings.NewReplacer("lg:col-span-", "col-", `class="h-full plausible"`, `class="h-full plausible dark"`).Replace(document)
	if page := string(shell.Around([]byte(other), contents).HTML); !strings.Contains(page, `class="pw-plain dark"`) {
		t.Errorf("want it dark:\n%s", page)
	}
}

func TestNamesAreEscaped(t *testing.T) {
	evil := shell.Contents{Domain: `a<script>x</script>"`, Title: `<b>"`, Body: shell.Notice{Heading: `<i>heading`, Paragraphs: []string{`<i>text`}, Link: `javascript:alert(1)`, Way: `<i>way`}.Body()}
	page := string(shell.Plain(evil, false).HTML)
	if strings.Contains(page, "<script>x") || strings.Contains(page, "<b>") || strings.Contains(page, "<i>") || strings.Contains(page, "javascript:") {
		t.Errorf("not escaped:\n%s", page)
	}
}
