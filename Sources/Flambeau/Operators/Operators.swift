/// The operator table: a family a member, a row a member of each.
struct Operators: Sendable {
  let arithmetic: Arithmetic = Arithmetic()
  let writes: Writes = Writes()
  let views: Views = Views()
  let conversions: Conversions = Conversions()
  let reductions: Reductions = Reductions()
  let products: Products = Products()
  let sumsOfProducts: SumsOfProducts = SumsOfProducts()
  let convolutions: Convolutions = Convolutions()
  let poolings: Poolings = Poolings()
  let softmaxes: Softmaxes = Softmaxes()
  let norms: Norms = Norms()
  let batchNorms: BatchNorms = BatchNorms()
}

let ops: Operators = Operators()
