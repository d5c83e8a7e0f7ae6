package chromium

// outside are elements beyond the window's right edge that nothing around them scrolls or hides.
const outside = `[...document.querySelectorAll("body *")].filter(e => {
	if (e.closest("svg, .skip, #tip") || e.getBoundingClientRect().right <= document.documentElement.clientWidth + 1) return false;
	for (let p = e; p !== document.body; p = p.parentElement)
		if (["auto", "scroll", "hidden"].includes(getComputedStyle(p).overflowX)) return false;
	return true;
}).slice(0, 5).map(e => e.tagName + " " + e.className + " " + e.textContent.trim().slice(0, 40))`

// pale are texts whose contrast with what is painted below them is under 4.5 to 1, as WCAG 2 computes it. A canvas
// lays the backgrounds over
// each other, so that every notation of colours and transparency is understood.
const pale = `(() => {
	const canvas = Object.assign(document.createElement("canvas"), { width: 1, height: 1 });
	const c = canvas.getContext("2d", { willReadFrequently: true });
	const paint = colours => { for (const f of colours) { c.fillStyle = f; c.fillRect(0, 0, 1, 1) }
		const [r, g, b] = [...c.getImageData(0, 0, 1, 1).data].map(v => (v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
		return 0.2126 * r + 0.7152 * g + 0.0722 * b };
	const below = e => { const all = []; for (; e; e = e.parentElement) all.unshift(getComputedStyle(e).backgroundColor);
		return ["white", ...all] };
	const seen = new Map();
	for (const e of document.querySelectorAll("body *")) {
		if (e.closest("svg, .skip, [hidden]") || !e.offsetParent) continue;
		if (![...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim())) continue;
		const colours = [...below(e), getComputedStyle(e).color];
		if (!seen.has(colours.join())) seen.set(colours.join(), [colours,
			e.tagName + "." + e.className + " " + e.textContent.trim().slice(0, 30)]);
	}
	return [...seen.values()].map(([colours, what]) => {
		const [a, b] = [paint(colours.slice(0, -1)), paint(colours)].sort((x, y) => y - x);
		return [(a + 0.05) / (b + 0.05), what] }).filter(([ratio]) => ratio < 4.5).map(([ratio, what]) => ratio.toFixed(1) + " " + what) })()`

// TooWide is how many pixels the page is wider than the window, in which case the whole page scrolls sideways, and elements that go beyond
// the edge where nothing around them scrolls.
func (p *Page) TooWide() (pixels int, elements []string) {
	p.t.Helper()
	pixels = Eval[int](p, `document.documentElement.scrollWidth - document.documentElement.clientWidth`)
	return pixels, Eval[[]string](p, outside)
}

// Pale are texts with too little contrast, one for each pair of colours, each after its contrast.
func (p *Page) Pale() []string {
	p.t.Helper()
	return Eval[[]string](p, pale)
}
