// Package chart draws a value over time, with the threshold that it is held
// against, as an SVG that needs no script and takes its colours from the
// stylesheet of the settings pages.
//
// Its limit: it knows nothing of webhooks, and rounds what it draws to a tenth
// of a unit. What it shows is said again in words by its title and description.
package chart

import (
	"fmt"
	"html/template"
	"math"
	"strings"
	"time"
)

// Chart is what to draw. From, Until, Step and Zone are required.
type Chart struct {
	Title, Desc string // Read out instead of the drawing.
	Points      []Point
	Step        time.Duration // How long a point's stretch of time is.
	From, Until time.Time
	Threshold   int         // Zero: none is drawn.
	Below       bool        // What is below the threshold counts.
	Marks       []time.Time // Moments at which something fired.
	Zone        *time.Location
}

// Point is a value of a stretch of time that begins at At.
type Point struct {
	At    time.Time
	Value int
}

// The drawing, in units of its own.
const (
	width, height            = 640.0, 230.0
	left, right, top, bottom = 46.0, 8.0, 16.0, 30.0
)

// SVG draws the chart. ID makes the ids of its title and description.
func (c Chart) SVG(id string) template.HTML {
	var b strings.Builder
	fmt.Fprintf(&b, `<svg class="pw-chart" role="img" viewBox="0 0 %g %g" aria-labelledby="%s-title %s-desc">`, width, height, esc(id), esc(id))
	fmt.Fprintf(&b, `<title id="%s-title">%s</title><desc id="%s-desc">%s</desc>`, esc(id), esc(c.Title), esc(id), esc(c.Desc))
	ceiling, step := c.scale()
	y := func(v float64) float64 { return height - bottom - v/ceiling*(height-top-bottom) }
	for v := 0.0; v <= ceiling+step/2; v += step {
		fmt.Fprintf(&b, `<line class="pw-chart-grid" x1="%g" x2="%g" y1="%.1f" y2="%.1f"/>`, left, width-right, y(v), y(v))
		fmt.Fprintf(&b, `<text class="pw-chart-label" x="%g" y="%.1f" text-anchor="end">%s</text>`, left-8, y(v)+4, short(v))
	}
	c.days(&b)
	c.area(&b, y)
	at := y(float64(c.Threshold))
	if c.Threshold > 0 {
		fmt.Fprintf(&b, `<line class="pw-chart-threshold" x1="%g" x2="%g" y1="%.1f" y2="%.1f"/>`, left, width-right, at, at)
	}
	for _, mark := range c.Marks {
		if mark.Before(c.From) || mark.After(c.Until) {
			continue
		}
		x := c.x(mark)
		fmt.Fprintf(&b, `<path class="pw-chart-mark" d="M%.1f %g l-5 -9 h10 z"/>`, x, top-2)
		fmt.Fprintf(&b, `<line class="pw-chart-mark-line" x1="%.1f" x2="%.1f" y1="%g" y2="%g"/>`, x, x, top-2, height-bottom)
	}
	if c.Threshold > 0 {
		fmt.Fprintf(&b, `<text class="pw-chart-threshold-label" x="%g" y="%.1f">%s</text>`, left+6, labelAbove(at), esc(c.thresholdText()))
	}
	b.WriteString(`</svg>`)
	return template.HTML(b.String())
}

// labelAbove keeps the text of the threshold inside the drawing.
func labelAbove(at float64) float64 {
	if at < top+14 {
		return at + 14
	}
	return at - 5
}

func (c Chart) thresholdText() string {
	if c.Below {
		return fmt.Sprintf("below %d", c.Threshold)
	}
	return fmt.Sprintf("%d or more", c.Threshold)
}

// area draws the value as steps, since each is one of a stretch of time.
func (c Chart) area(b *strings.Builder, y func(float64) float64) {
	var line strings.Builder
	for i, p := range c.Points {
		from, to := c.x(p.At), c.x(p.At.Add(c.Step))
		if i == 0 {
			fmt.Fprintf(&line, "M%.1f %.1f", from, y(float64(p.Value)))
		} else {
			fmt.Fprintf(&line, "V%.1f", y(float64(p.Value)))
		}
		fmt.Fprintf(&line, "H%.1f", to)
	}
	if line.Len() == 0 {
		return
	}
	floor := y(0)
	fmt.Fprintf(b, `<path class="pw-chart-area" d="%sV%.1fH%.1fZ"/>`, line.String(), floor, c.x(c.Points[0].At))
	fmt.Fprintf(b, `<path class="pw-chart-line" d="%s"/>`, line.String())
}

// days marks where days of the zone begin.
func (c Chart) days(b *strings.Builder) {
	from := c.From.In(c.Zone)
	day := time.Date(from.Year(), from.Month(), from.Day(), 0, 0, 0, 0, c.Zone)
	for ; !day.After(c.Until); day = day.AddDate(0, 0, 1) {
		next := day.AddDate(0, 0, 1)
		if !day.Before(c.From) {
			fmt.Fprintf(b, `<line class="pw-chart-day" x1="%.1f" x2="%.1f" y1="%g" y2="%g"/>`, c.x(day), c.x(day), height-bottom, height-bottom+5)
		}
		begin, end := c.x(later(day, c.From)), c.x(earlier(next, c.Until))
		if end-begin > 66 { // Else the text would meet its neighbour.
			fmt.Fprintf(b, `<text class="pw-chart-label pw-chart-date" x="%.1f" y="%g" text-anchor="middle">%s</text>`, (begin+end)/2, height-9, day.Format("Mon 2 Jan"))
		}
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// x is where a time stands, held inside the drawing.
func (c Chart) x(at time.Time) float64 {
	share := float64(at.Sub(c.From)) / float64(c.Until.Sub(c.From))
	return left + math.Min(math.Max(share, 0), 1)*(width-left-right)
}

// scale returns the upper end of the axis and the distance of its lines. A
// threshold far above everything leaves the value flat, as it is.
func (c Chart) scale() (ceiling, step float64) {
	most := math.Max(1, float64(c.Threshold))
	for _, p := range c.Points {
		most = math.Max(most, float64(p.Value))
	}
	most *= 1.08
	raw := most / 4
	magnitude := math.Pow(10, math.Floor(math.Log10(raw)))
	for _, nice := range []float64{1, 2, 2.5, 5, 10} {
		if step = nice * magnitude; step >= raw {
			break
		}
	}
	step = math.Max(1, math.Ceil(step))
	return math.Ceil(most/step) * step, step
}

func short(v float64) string {
	switch {
	case v >= 1e6:
		return trim(v/1e6) + "M"
	case v >= 1e4:
		return trim(v/1e3) + "k"
	default:
		return fmt.Sprintf("%.0f", v)
	}
}

func trim(v float64) string { return strings.TrimSuffix(fmt.Sprintf("%.1f", v), ".0") }

func esc(s string) string { return template.HTMLEscapeString(s) }
