package menu_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"plausible-webhooks/config/settings/menu"

	"golang.org/x/net/html"
)

const domain = "example.com/shop"

// sidebar is the menu as v3.2 has it, with one entry active.
func sidebar(active string) string {
	var out strings.Builder
	out.WriteString(`<div class="flex flex-col gap-0.5 -ml-2" data-testid="settings-sidebar">`)
	for _, tab := range []string{"general", "people", "email-reports", "danger-zone"} {
		class := "flex items-center"
		if tab == active {
			class += " font-semibold"
		}
		fmt.Fprintf(&out, "\n<a href=\"/example.com%%2Fshop/settings/%s\" class=\"%s\" id=\"tab-%s\">\n  <svg class=\"size-5\"><path d=\"M0 0\"/></svg>\n  %s\n</a>", tab, class, tab, tab)
	}
	out.WriteString("\n<a class=\"flex items-center\">Shields</a>\n</div>")
	return out.String()
}

const list = `<select name="tab"><option value="general">General</option><option value="people">People</option>` +
	`<option value="email-reports" selected>Email reports</option><option value="danger-zone">Danger zone</option></select>`

func TestSpliceAddsTheEntryAndNothingElse(t *testing.T) {
	const entry = `<a href="/example.com%2Fshop/settings/webhooks" class="flex items-center">`
	for _, active := range []string{"general", "email-reports", "nothing"} {
		document := "<!DOCTYPE html><body>\xff\x00 é " + list + sidebar(active) + `<p a=b a=c>Change it in <a href="/example.com%2Fshop/settings/email-reports">the reports</a><br/></p>`
		got, ok := menu.Splice([]byte(document), domain)
		if !ok {
			t.Fatalf("active %s: not recognised", active)
		}
		at := bytes.Index(got, []byte(entry))
		if at < 0 || !bytes.HasSuffix(got[:at], []byte("email-reports\n</a>")) {
			t.Errorf("active %s: want %s just after the e-mail reports:\n%s", active, entry, got)
			continue
		}
		end := at + bytes.Index(got[at:], []byte("</a>")) + len("</a>")
		if added := string(got[at:end]); !strings.Contains(added, "\n  Webhooks\n") || strings.Contains(added, "tab-") || strings.Count(added, "<svg") != 1 {
			t.Errorf("active %s: entry is %s", active, added)
		}
		rest := string(got[:at]) + string(got[end:])
		rest = strings.Replace(rest, `<option value="webhooks">Webhooks</option>`, "", 1)
		if rest != document {
			t.Errorf("active %s: more was changed than the entry:\n%s", active, rest)
		}
	}
}

func TestSpliceLeavesWhatItDoesNotRecognise(t *testing.T) {
	link := `<a href="/example.com%2Fshop/settings/email-reports">Email reports</a>`
	for name, document := range map[string]string{
		"nothing":             "",
		"no menu":             "<p>Hello",
		"a link in a text":    "<p>See " + link + " for more",
		"of another site":     strings.ReplaceAll(sidebar("general"), "%2Fshop", ""),
		"with the entry":      strings.Replace(sidebar("general"), "people", "webhooks", 2),
		"in a comment":        "<!--" + sidebar("general") + "-->",
		"in a script":         "<script>" + sidebar("general") + "</script>",
		"in a textarea":       "<textarea>" + sidebar("general") + "</textarea>",
		"wrapped one by one":  "<ul><li>" + link + "</li><li>" + link + "</li><li>" + link + "</li></ul>",
		"cut off":             sidebar("general")[:strings.Index(sidebar("general"), "email-reports")+20],
		"link never closed":   strings.SplitAfter(sidebar("general"), "email-reports\"")[0] + ">",
		"only the select":     list,
		"encoded differently": strings.ReplaceAll(sidebar("general"), "%2F", "%2f"),
	} {
		if got, ok := menu.Splice([]byte(document), domain); ok || string(got) != document {
			t.Errorf("%s: %v\n%s\nwant it untouched", name, ok, got)
		}
	}
}

func TestOptionsWithPathsAndWithoutEndTags(t *testing.T) {
	for _, options := range []string{
		"<option value=/example.com%2Fshop/settings/general>G<option value=/example.com%2Fshop/settings/email-reports>E<option value=x>X",
		`<option value="general">G</option><option value="email-reports">E</option> <option value="x">X</option>`,
	} {
		got, ok := menu.Splice([]byte("<select>"+options+"</select>"+sidebar("general")), domain)
		if !ok || strings.Count(string(got), `webhooks">Webhooks</option>`) != 1 || !strings.Contains(string(got), `E<option value="/example.com%2Fshop/settings/webhooks">`) && !strings.Contains(string(got), `E</option><option value="webhooks">`) {
			t.Errorf("%s\nbecame\n%s", options, got)
		}
	}
}

func TestActivate(t *testing.T) {
	tree, err := html.Parse(strings.NewReader(list + sidebar("email-reports")))
	if err != nil {
		t.Fatal(err)
	}
	menu.Activate(menu.Link(tree, domain), menu.Option(tree, domain), domain)
	var got bytes.Buffer
	if err := html.Render(&got, tree); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`<a href="/example.com%2Fshop/settings/webhooks" class="flex items-center font-semibold" aria-current="page">`,
		`<a class="flex items-center" href="/example.com%2Fshop/settings/email-reports" id="tab-email-reports">`,
		`<option value="webhooks" selected="">Webhooks</option>`, `<option value="email-reports">`,
	} {
		if !strings.Contains(got.String(), want) {
			t.Errorf("no %s in\n%s", want, got.String())
		}
	}
}

func FuzzSplice(f *testing.F) {
	f.Add("<p>"+list+sidebar("general"), "</a>")
	f.Add(sidebar("email-reports"), "<svg><title>")
	f.Fuzz(func(t *testing.T, before, after string) {
		document := before + sidebar("people") + after
		got, ok := menu.Splice([]byte(document), domain)
		if !ok {
			if string(got) != document {
				t.Fatal("changed, and said not")
			}
			return
		}
		// What was there is there still, in order.
		if !subsequence(document, string(got)) {
			t.Fatalf("lost something:\n%q\n%q", document, got)
		}
	})
}

func subsequence(short, long string) bool {
	i := 0
	for j := 0; j < len(long) && i < len(short); j++ {
		if short[i] == long[j] {
			i++
		}
	}
	return i == len(short)
}
