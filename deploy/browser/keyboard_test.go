package browser_test

import (
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// focused is what has the focus, as it is read out, and whether it can be seen
// that it has.
const focused = `(() => {
	const e = document.activeElement, words = (text) => (text || "").replace(/\s+/g, " ").trim();
	const style = getComputedStyle(e);
	return {
		name: e.getAttribute("aria-label") || (e.labels && e.labels.length ? words(e.labels[0].textContent) : words(e.textContent)),
		seen: !e.closest(".pw") || (style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2),
	};
})()`

// tabTo goes on with the tabulator until something has the focus.
func (b *tab) tabTo(name string) {
	b.Helper()
	var passed []string
	for range 80 {
		b.do("press the tabulator", chromedp.KeyEvent(kb.Tab))
		at := eval[struct {
			Name string
			Seen bool
		}](b, focused)
		if !at.Seen {
			b.Errorf("%q has the focus, and it cannot be seen", at.Name)
		}
		if at.Name == name {
			return
		}
		passed = append(passed, at.Name)
	}
	b.Fatalf("the tabulator does not come to %q, only to %q", name, passed)
}

func (b *tab) key(key string) { b.Helper(); b.do("press a key", chromedp.KeyEvent(key)) }

// byKeyboard adds a webhook, tests it and deletes it without a mouse, coming
// from another page of the settings through the menu.
func byKeyboard(b *tab) {
	b.visit(b.site.path("general"))
	b.tabTo("Webhooks")
	b.load("go to Webhooks", 200, chromedp.KeyEvent(kb.Enter))
	b.tabTo("Add your first webhook")
	b.load("add a webhook", 200, chromedp.KeyEvent(kb.Enter))
	b.tabTo("URL")
	b.do("type the URL", typed(b.house.receiver.URL("/keyboard")))
	b.tabTo("Name")
	b.do("type the name", typed("By keyboard"))
	b.tabTo("Use this site’s existing traffic notifications and goals")
	b.key(kb.ArrowDown)
	b.tabTo("Traffic spike")
	b.key(" ")
	b.tabTo("Visitors, this many or more")
	b.do("type a threshold", typed("25"))
	b.tabTo("Also tell when it is over")
	b.key(" ")
	b.shot("form")
	b.tabTo("Add webhook")
	b.load("save it", 200, chromedp.KeyEvent(" "))
	b.wants("Webhook added")
	b.tabTo("Done, I have copied it")
	b.load("go on", 200, chromedp.KeyEvent(kb.Enter))
	b.wants("25 or more visitors at once", "also tells when it is over")
	b.tabTo("Looks like")
	b.key(kb.ArrowDown)
	b.tabTo("Send test")
	b.load("send a test", 200, chromedp.KeyEvent(kb.Enter))
	b.wants("Answered 200")
	b.tabTo("By keyboard")
	b.load("go back", 200, chromedp.KeyEvent(kb.Enter))
	b.shot("webhook")
	b.tabTo("Delete")
	b.load("ask to delete", 200, chromedp.KeyEvent(kb.Enter))
	b.tabTo("Delete webhook")
	b.load("delete", 200, chromedp.KeyEvent(kb.Enter))
	b.wants("Webhook deleted")
	b.visit(b.site.path("webhooks"))
	b.tabTo("Webhooks")
	b.shot("menu")
}
