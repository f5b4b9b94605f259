/// The operator table: a family a member, a row a member of each.
struct Operators: Sendable {
  let arithmetic: Arithmetic = Arithmetic()
  let writes: Writes = Writes()
  let views: Views = Views()
  let conversions: Conversions = Conversions()
  let reductions: Reductions = Reductions()
  let variances: Variances = Variances()
  let extrema: Extrema = Extrema()
  let ties: Ties = Ties()
  let norms: Norms = Norms()
  let selections: Selections = Selections()
  let sorting: Sorting = Sorting()
  let scans: Scans = Scans()
  let products: Products = Products()
}

let ops: Operators = Operators()
