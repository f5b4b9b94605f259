extension UnsafeRawBufferPointer {
  /// The number whose decimal digits begin at `position`, which stands behind them afterwards; nil, and `position` at the digit that is
  /// one too many, where an `Int` has no room for it.
  func number(at position: inout Int) -> Int? {
    var value = 0
    while position < count, self[position] >= 0x30, self[position] <= 0x39 {
      let (tens, high) = value.multipliedReportingOverflow(by: 10)
      let (sum, low) = tens.addingReportingOverflow(Int(self[position] - 0x30))
      if high || low { return nil }
      value = sum
      position += 1
    }
    return value
  }
}
