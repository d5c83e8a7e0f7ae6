package measure

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"

	hdr "github.com/HdrHistogram/hdrhistogram-go"
)

// The range and resolution of every Histogram.
const (
	Lowest  = time.Microsecond
	Highest = 60 * time.Second
	digits  = 3
)

// Histogram is a latency distribution from 1 us to 60 s with three significant
// digits. The zero value is empty and ready. Values beyond the range are
// counted at its ends, never dropped.
//
// A copy shares its samples with the original: use Clone for one that does not.
// It is not safe for concurrent use.
type Histogram struct {
	h *hdr.Histogram // nil: no sample yet; values in microseconds
}

func newHDR() *hdr.Histogram {
	return hdr.New(int64(Lowest/time.Microsecond), int64(Highest/time.Microsecond), digits)
}

// Record adds one sample.
func (h *Histogram) Record(d time.Duration) {
	if h.h == nil {
		h.h = newHDR()
	}
	// Rounded to the nearest microsecond: cutting off would make a null server's
	// 40 us seem 1% better than they are.
	us := int64((d + time.Microsecond/2) / time.Microsecond)
	us = min(max(us, int64(Lowest/time.Microsecond)), int64(Highest/time.Microsecond))
	// The value is within the range, and a count does not reach 2^63: it cannot fail.
	_ = h.h.RecordValue(us)
}

// Merge adds the samples of another histogram, which stays as it is.
func (h *Histogram) Merge(from Histogram) {
	if from.h == nil || from.h.TotalCount() == 0 {
		return
	}
	if h.h == nil {
		h.h = newHDR()
	}
	if h.h == from.h {
		from = from.Clone() // a histogram merged with itself is read while written
	}
	h.h.Merge(from.h)
}

// Clone is a copy with samples of its own.
func (h Histogram) Clone() Histogram {
	var out Histogram
	if h.h != nil {
		out.h = newHDR()
		out.h.Merge(h.h)
	}
	return out
}

// Reset removes all samples and keeps the memory.
func (h *Histogram) Reset() {
	if h.h != nil {
		h.h.Reset()
	}
}

// Count is the number of samples.
func (h Histogram) Count() uint64 {
	if h.h == nil {
		return 0
	}
	return uint64(h.h.TotalCount())
}

// Quantile is the latency that a share q of the samples (0 to 1) does not
// exceed, to three digits; 0 without samples. Whether there are enough samples
// to say so is for Percentiles to decide.
func (h Histogram) Quantile(q float64) time.Duration {
	if h.h == nil {
		return 0
	}
	return time.Duration(h.h.ValueAtPercentile(q*100)) * time.Microsecond
}

// Above is the number of samples that are longer than d, to three digits.
func (h Histogram) Above(d time.Duration) uint64 {
	var n uint64
	for _, b := range h.Distribution() {
		if b.From > d {
			n += b.Count
		}
	}
	return n
}

// Max is the longest latency, to three digits; 0 without samples.
func (h Histogram) Max() time.Duration {
	if h.h == nil || h.h.TotalCount() == 0 {
		return 0
	}
	return time.Duration(h.h.Max()) * time.Microsecond
}

// Mean is the arithmetic mean; 0 without samples.
func (h Histogram) Mean() time.Duration {
	if h.h == nil {
		return 0
	}
	return time.Duration(h.h.Mean() * float64(time.Microsecond))
}

// Bar is the number of samples in a narrow range of latencies.
type Bar struct {
	From, To time.Duration // both included
	Count    uint64
}

// Distribution lists the ranges that hold samples, shortest latency first.
func (h Histogram) Distribution() []Bar {
	if h.h == nil {
		return nil
	}
	var out []Bar
	for _, b := range h.h.Distribution() {
		if b.Count > 0 {
			out = append(out, Bar{
				From:  time.Duration(b.From) * time.Microsecond,
				To:    time.Duration(b.To) * time.Microsecond,
				Count: uint64(b.Count),
			})
		}
	}
	return out
}

// Encode is the histogram in HdrHistogram's own compressed format (V2, base64,
// values in microseconds), which other tools read; empty without samples.
func (h Histogram) Encode() ([]byte, error) {
	if h.Count() == 0 {
		return nil, nil
	}
	b, err := h.h.Encode(hdr.V2CompressedEncodingCookieBase)
	if err != nil {
		return nil, fmt.Errorf("encode histogram: %w", err)
	}
	return b, nil
}

// Decode reads what Encode wrote. A histogram of another range is refused: its
// samples could not be merged without loss.
func Decode(b []byte) (Histogram, error) {
	if len(b) == 0 {
		return Histogram{}, nil
	}
	got, err := hdr.Decode(b)
	if err != nil {
		return Histogram{}, fmt.Errorf("decode histogram: %w", err)
	}
	own := newHDR()
	if got.SignificantFigures() != own.SignificantFigures() ||
		got.LowestTrackableValue() != own.LowestTrackableValue() ||
		got.HighestTrackableValue() != own.HighestTrackableValue() {
		return Histogram{}, fmt.Errorf("decode histogram: it has %d digits from %d to %d us, not %d from %d to %d",
			got.SignificantFigures(), got.LowestTrackableValue(), got.HighestTrackableValue(),
			own.SignificantFigures(), own.LowestTrackableValue(), own.HighestTrackableValue())
	}
	if dropped := own.Merge(got); dropped > 0 {
		return Histogram{}, fmt.Errorf("decode histogram: %d samples are out of range", dropped)
	}
	return Histogram{h: own}, nil
}

// MarshalJSON is Encode's text as a JSON string, null without samples.
func (h Histogram) MarshalJSON() ([]byte, error) {
	b, err := h.Encode()
	if err != nil {
		return nil, err
	}
	if b == nil {
		return []byte("null"), nil
	}
	return json.Marshal(string(b))
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (h *Histogram) UnmarshalJSON(b []byte) error {
	if bytes.Equal(b, []byte("null")) {
		*h = Histogram{}
		return nil
	}
	var s string
	if err := json.Unmarshal(b, &s); err != nil {
		return fmt.Errorf("decode histogram: %w", err)
	}
	got, err := Decode([]byte(s))
	if err != nil {
		return err
	}
	*h = got
	return nil
}
