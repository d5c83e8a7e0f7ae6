package report

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// rgb is a colour in linear light, 0 to 1.
type rgb [3]float64

// schemes are the style sheet's colours by name, light and dark.
func schemes(t *testing.T) map[string]map[string]rgb {
	t.Helper()
	light, dark, ok := strings.Cut(colourSheet, "@media screen and (prefers-color-scheme: dark)")
	if !ok {
		t.Fatal("the style sheet has no dark colours")
	}
	out := map[string]map[string]rgb{"light": {}, "dark": {}}
	for name, text := range map[string]string{"light": light, "dark": dark} {
		for _, m := range regexp.MustCompile(`--(\w+): #([0-9a-f]{6})`).FindAllStringSubmatch(text, -1) {
			n, err := strconv.ParseUint(m[2], 16, 32)
			if err != nil {
				t.Fatal(err)
			}
			var c rgb
			for i := range c {
				v := float64(n>>(16-8*i)&255) / 255
				c[i] = math.Pow((v+0.055)/1.055, 2.4)
				if v <= 0.04045 {
					c[i] = v / 12.92
				}
			}
			out[name][m[1]] = c
		}
	}
	return out
}

func (c rgb) luminance() float64 { return 0.2126*c[0] + 0.7152*c[1] + 0.0722*c[2] }

// contrast is WCAG's, 1 to 21.
func contrast(a, b rgb) float64 {
	x, y := a.luminance(), b.luminance()
	return (max(x, y) + 0.05) / (min(x, y) + 0.05)
}

// TestContrast holds text to WCAG's 4.5 and what is drawn to its 3.
func TestContrast(t *testing.T) {
	for scheme, colours := range schemes(t) {
		for name, c := range colours {
			want := 3.0
			switch name {
			case "back", "raised", "rule":
				continue
			case "ink", "soft", "warn", "good", "note", "link":
				want = 4.5
			case "limited":
				want = 2.5 // its bars stand beside failed ones and have their figures in words
			}
			for _, ground := range []string{"back", "raised"} {
				if got := contrast(c, colours[ground]); got < want {
					t.Errorf("%s: --%s on --%s has a contrast of %.2f, want %.1f", scheme, name, ground, got, want)
				}
			}
		}
	}
}

// eyes are what a colour looks like to whom a kind of cone is missing
// (Machado and others, 2009, severity 1, on linear light).
func eyes() map[string][3]rgb {
	return map[string][3]rgb{
		"all cones":    {{1, 0, 0}, {0, 1, 0}, {0, 0, 1}},
		"protanopia":   {{0.152286, 1.052583, -0.204868}, {0.114503, 0.786281, 0.099216}, {-0.003882, -0.048116, 1.051998}},
		"deuteranopia": {{0.367322, 0.860646, -0.227968}, {0.280085, 0.672501, 0.047413}, {-0.011820, 0.042940, 0.968881}},
		"tritanopia":   {{1.255528, -0.076749, -0.178779}, {-0.078411, 0.930809, 0.147602}, {0.004733, 0.691367, 0.303900}},
	}
}

func seen(c rgb, by [3]rgb) rgb {
	var out rgb
	for i, row := range by {
		out[i] = min(max(row[0]*c[0]+row[1]*c[1]+row[2]*c[2], 0), 1)
	}
	return out
}

// oklab is a colour in a space in which distances are what eyes make of them.
func oklab(c rgb) rgb {
	l := math.Cbrt(0.4122214708*c[0] + 0.5363325363*c[1] + 0.0514459929*c[2])
	m := math.Cbrt(0.2119034982*c[0] + 0.6806995451*c[1] + 0.1073969566*c[2])
	s := math.Cbrt(0.0883024619*c[0] + 0.2817188376*c[1] + 0.6299787005*c[2])
	return rgb{
		0.2104542553*l + 0.7936177850*m - 0.0040720468*s,
		1.9779984951*l - 2.4285922050*m + 0.4505937099*s,
		0.0259040371*l + 0.7827717662*m - 0.8086757660*s,
	}
}

// TestColoursThatStandTogetherDiffer looks at pairs that are drawn beside each
// other, with every kind of colour vision.
func TestColoursThatStandTogetherDiffer(t *testing.T) {
	pairs := [][2]string{{"fail", "limited"}, {"s2", "s3"}, {"fail", "s0"}}
	for i := range 7 { // neighbours in a stacked bar
		pairs = append(pairs, [2]string{fmt.Sprintf("s%d", i), fmt.Sprintf("s%d", i+1)})
	}
	for scheme, colours := range schemes(t) {
		for who, by := range eyes() {
			for _, pair := range pairs {
				a, b := oklab(seen(colours[pair[0]], by)), oklab(seen(colours[pair[1]], by))
				if d := math.Hypot(math.Hypot(a[0]-b[0], a[1]-b[1]), a[2]-b[2]); d < 0.08 {
					t.Errorf("%s, %s: --%s and --%s are only %.3f apart", scheme, who, pair[0], pair[1], d)
				}
			}
		}
	}
}
