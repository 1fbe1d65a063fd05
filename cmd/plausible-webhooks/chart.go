package main

import (
	"fmt"
	"strings"
	"time"
)

// chart draws a value over time with characters, a column for each value.
type chart struct {
	values      []int
	threshold   int            // A line at this height; zero: none.
	hit         func(int) bool // Whether a value meets the condition; nil: none does.
	from, until time.Time
	local       *time.Location
	height      int // Lines, the axis and its labels left out.
	ascii       bool
	colour      bool
}

// strokes are the characters of a chart.
type strokes struct {
	bars                  [9]string // By eighths of a line.
	crossed               string    // A full line of a bar that the threshold's line crosses.
	line                  string
	side, label, crossing string // The vertical axis: bare, labelled, at the threshold.
	corner, floor, tick   string
	beyond                string // The upper end of a bar that is higher than the chart.
}

var (
	blockStrokes = strokes{
		bars: [9]string{" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"}, crossed: "▓", line: "┄",
		side: "│", label: "┤", crossing: "┼", corner: "└", floor: "─", tick: "┬", beyond: "▲",
	}
	asciiStrokes = strokes{
		bars: [9]string{" ", ".", ".", ".", ":", ":", ":", ":", "#"}, crossed: "=", line: "-",
		side: "|", label: "+", crossing: "+", corner: "+", floor: "-", tick: "+", beyond: "^",
	}
)

// chartMargin is how much of a line the numbers and the axis take at most.
const chartMargin = 13

const hitColour, noColour = "\x1b[33m", "\x1b[0m"

func (c chart) String() string {
	var out strings.Builder
	draw := blockStrokes
	if c.ascii {
		draw = asciiStrokes
	}
	top := c.top()
	margin := max(len(grouped(top)), 3)
	crossing := -1
	if c.threshold > 0 {
		crossing = (c.eighths(c.threshold, top) - 1) / 8
	}
	for line := c.height - 1; line >= 0; line-- {
		label, axis := "", draw.side
		switch line {
		case crossing:
			label, axis = grouped(c.threshold), draw.crossing
		case c.height - 1:
			label, axis = grouped(top), draw.label
		case 0:
			label, axis = "0", draw.label
		}
		cells := c.cells(draw, line, top, line == crossing)
		out.WriteString(strings.TrimRight(fmt.Sprintf("%*s %s%s", margin, label, axis, cells), " ") + "\n")
	}
	axis, labels := c.times(draw)
	fmt.Fprintf(&out, "%*s %s%s\n", margin, "", draw.corner, axis)
	out.WriteString(strings.TrimRight(fmt.Sprintf("%*s  %s", margin, "", labels), " ") + "\n")
	return out.String()
}

// mostOfThreshold is how many times the threshold a chart shows: one great day
// must not flatten what happens near it.
const mostOfThreshold = 4

// top is the value at the upper edge.
func (c chart) top() int {
	top := 1
	for _, v := range c.values {
		top = max(top, v)
	}
	if c.threshold > 0 {
		top = min(max(top, c.threshold), mostOfThreshold*c.threshold)
	}
	return top
}

// eighths is the height of a value in eighths of a line; what is not zero can
// be seen.
func (c chart) eighths(value, top int) int {
	if value <= 0 {
		return 0
	}
	return max(1, (value*c.height*8+top/2)/top)
}

// cells are one line of the bars.
func (c chart) cells(draw strokes, line, top int, crossing bool) string {
	var out strings.Builder
	coloured := false
	for _, v := range c.values {
		filled := min(max(c.eighths(v, top)-8*line, 0), 8)
		cell := draw.bars[filled]
		switch {
		case crossing && filled == 0:
			cell = draw.line
		case crossing && filled == 8:
			cell = draw.crossed
		case line == c.height-1 && v > top:
			cell = draw.beyond
		}
		if colour := c.colour && filled > 0 && c.hit != nil && c.hit(v); colour != coloured {
			out.WriteString(map[bool]string{true: hitColour, false: noColour}[colour])
			coloured = colour
		}
		out.WriteString(cell)
	}
	if coloured {
		out.WriteString(noColour)
	}
	return out.String()
}

// times is the horizontal axis and the labels below it.
func (c chart) times(draw strokes) (axis, labels string) {
	width := len(c.values)
	layout := "Jan 2"
	switch span := c.until.Sub(c.from); {
	case span <= 24*time.Hour:
		layout = "15:04"
	case span <= 72*time.Hour:
		layout = "Jan 2 15:04"
	case span > 300*24*time.Hour:
		layout = "2006-01-02"
	}
	room := len(layout) + 6
	cells := make([]string, width)
	for i := range cells {
		cells[i] = draw.floor
	}
	var under strings.Builder
	for n, i := max(width/room, 1), 0; i < n; i++ {
		at := i * width / n
		if width > 0 {
			cells[at] = draw.tick
		}
		moment := c.from.Add(c.until.Sub(c.from) * time.Duration(at) / time.Duration(max(width, 1)))
		under.WriteString(strings.Repeat(" ", at-under.Len()) + moment.In(c.local).Format(layout))
	}
	return strings.Join(cells, ""), under.String()
}

// grouped writes a number with commas between thousands, as events do.
func grouped(n int) string {
	text := fmt.Sprint(n)
	for at := len(text) - 3; at > 0 && text[at-1] != '-'; at -= 3 {
		text = text[:at] + "," + text[at:]
	}
	return text
}
