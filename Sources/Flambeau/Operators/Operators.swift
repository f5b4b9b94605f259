/// The operator table: a family a member, a row a member of each.
struct Operators: Sendable {
  let arithmetic: Arithmetic = Arithmetic()
  let unary: Unary = Unary()
  let binary: Binary = Binary()
  let comparisons: Comparisons = Comparisons()
  let selections: Selections = Selections()
  let activations: Activations = Activations()
  let writes: Writes = Writes()
  let views: Views = Views()
  let conversions: Conversions = Conversions()
  let reductions: Reductions = Reductions()
  let products: Products = Products()
  let sumsOfProducts: SumsOfProducts = SumsOfProducts()
  let convolutions: Convolutions = Convolutions()
  let poolings: Poolings = Poolings()
}

let ops: Operators = Operators()
