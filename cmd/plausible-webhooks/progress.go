package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/term"
)

// progressAfter is how long work may take without a word.
const progressAfter = time.Second

// progress draws a bar that is gone when the work is done.
type progress struct {
	out   io.Writer // Nil: nobody watches.
	what  string
	began time.Time
	now   func() time.Time
	ascii bool
	drawn int // Characters.
}

// progress returns a bar on stderr, if that is a terminal.
func (p program) progress(what string) *progress {
	bar := &progress{what: what, began: p.now(), now: p.now, ascii: !p.unicode()}
	if file, ok := p.stderr.(*os.File); ok && term.IsTerminal(int(file.Fd())) {
		bar.out = p.stderr
	}
	return bar
}

const progressWidth = 30

// tell draws how far the work is.
func (b *progress) tell(done, total int64) {
	if b.out == nil || b.now().Sub(b.began) < progressAfter || total < 1 {
		return
	}
	full, rest := "█", "░"
	if b.ascii {
		full, rest = "#", "."
	}
	filled := int(progressWidth * done / total)
	line := fmt.Sprintf("%s %s%s %3d%%", b.what, strings.Repeat(full, filled), strings.Repeat(rest, progressWidth-filled), 100*done/total)
	b.drawn = len([]rune(line))
	fmt.Fprint(b.out, "\r"+line)
}

// clear takes the bar away.
func (b *progress) clear() {
	if b.drawn > 0 {
		fmt.Fprint(b.out, "\r"+strings.Repeat(" ", b.drawn)+"\r")
		b.drawn = 0
	}
}
