package result

// Matrix is a comparison of gateways: policies by arms.
type Matrix struct {
	Reference string      `json:"reference"` // the arm that ratios are to
	Arms      []MatrixArm `json:"arms"`
	Rows      []MatrixRow `json:"rows"`
	// NotMeasured are policies of the file that this run left out.
	NotMeasured []string `json:"not_measured,omitempty"`
}

// MatrixArm is one gateway.
type MatrixArm struct {
	Name    string `json:"name"`
	About   string `json:"about"`
	Version string `json:"version,omitempty"` // as its program or image says
	Tested  bool   `json:"tested"`            // this project's tests have run it
}

// MatrixRow is one policy.
type MatrixRow struct {
	Policy    string `json:"policy"`
	Summary   string `json:"summary"`
	Published string `json:"published,omitempty"` // its name in another benchmark
	// OfferedQPS is the open loop's rate, the same for each arm.
	OfferedQPS float64      `json:"offered_qps"`
	Cells      []MatrixCell `json:"cells"` // by arm, in the order of Arms
	// Seconds is how long the row took, by the names of MatrixPhases.
	Seconds map[string]float64 `json:"seconds,omitempty"`
}

// Outcomes of a cell.
const (
	CellMeasured = "measured"
	CellExcluded = "excluded" // the arm does not behave as the policy says, or as the reference does
	CellLacks    = "n/a"      // the gateway cannot do it
	CellInvalid  = "invalid"  // measured, and a check says that the figures may not be used
	CellFailed   = "failed"   // the arm did not start or could not be measured
)

// MatrixCell is one arm under one policy. Figures are absent where there are none.
type MatrixCell struct {
	Arm     string   `json:"arm"`
	Outcome string   `json:"outcome" jsonschema:"enum=measured,enum=excluded,enum=n/a,enum=invalid,enum=failed"`
	Reasons []string `json:"reasons,omitempty"`

	CPUUS     *float64 `json:"cpu_us_per_request,omitempty"` // of the arm's node
	P50MS     *float64 `json:"p50_ms,omitempty"`             // corrected, open loop
	P99MS     *float64 `json:"p99_ms,omitempty"`
	QPS       *float64 `json:"qps,omitempty"` // closed loop, median of the rounds
	MemoryMiB *float64 `json:"memory_mib,omitempty"`
	// Figures are those of the policy at hand, by their names in MatrixFigures.
	Figures map[string]float64 `json:"figures,omitempty"`
	// Limited says that the closed loop may have met the generator's limit first: the arm can do at least QPS.
	Limited bool `json:"qps_is_a_lower_bound,omitempty"`

	Ratios []MatrixRatio `json:"ratios,omitempty"` // to the reference; none of the reference itself
}

// Put keeps a figure that only some policies have.
func (c *MatrixCell) Put(name string, v float64) {
	if c.Figures == nil {
		c.Figures = map[string]float64{}
	}
	c.Figures[name] = v
}

// MatrixRatio is a metric's ratio to the reference's, with one-sided 95% bounds where there are enough rounds.
type MatrixRatio struct {
	Name  string   `json:"name"` // cpu, p50, p99, qps, or a name of MatrixFigures
	Ratio float64  `json:"ratio"`
	Low   *float64 `json:"low,omitempty"`
	High  *float64 `json:"high,omitempty"`
}
