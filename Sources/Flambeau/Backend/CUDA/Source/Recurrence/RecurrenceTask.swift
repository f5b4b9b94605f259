import CKernels

/// A run of a recurrent layer in one direction, which ``Recurrence`` does on the CPU. Everything is dense, of one dtype.
struct RecurrenceTask: KernelTask {
  let cell: RecurrentCell
  let run: RecurrentRun
  /// [rows, gates · units]
  let input: Elements
  /// [gates · units, units]
  let weight: Elements
  let bias: Elements?
  /// [rows + sequences (+ sequences), units]: outputs, and the state, at first that before the run, in the end that after it.
  let result: Elements
  /// What is kept for the way back: [rows, kept · units], and of LSTM [rows, units].
  let kept: Elements?
  let cells: Elements?

  var operands: [Elements] { [input, weight] + [bias].compactMap { $0 } + results }
  var results: [Elements] { [result] + [kept, cells].compactMap { $0 } }

  func mapOperands(_ f: (Elements) -> Elements) -> RecurrenceTask {
    RecurrenceTask(
      cell: cell, run: run, input: f(input), weight: f(weight), bias: bias.map(f), result: f(result), kept: kept.map(f),
      cells: cells.map(f))
  }

  struct Attributes: Hashable {
    let cell: RecurrentCell
    let run: RecurrentRun
    let hasBias: Bool
    let isKept: Bool
    let hasCells: Bool
  }

  var attributes: Attributes {
    Attributes(cell: cell, run: run, hasBias: bias != nil, isKept: kept != nil, hasCells: cells != nil)
  }

  func append(to work: inout KernelWork, on device: DeviceShape, wide: Bool) {
    let kernel = RecurrenceKernel(cell, weight)
    let size = kernel.size
    if size == 0 { return }
    let sums = work.reserve(run.sequences * cell.gates * size * weight.dtype.byteCount)
    let hidden = result.rows(from: run.rows, run.sequences)
    let state = cell.hasCell ? result.rows(from: run.rows + run.sequences, run.sequences) : nil
    for step in run.order {
      let (count, start) = (run.batchSizes[step], run.starts[step])
      let product = Elements(
        UnsafeMutableRawPointer(bitPattern: sums)!, Layout([count, cell.gates * size]), weight.dtype, on: weight.device)
      ProductTask(
        a: hidden.rows(from: 0, count), b: weight.laid(weight.layout.swapped(0, 1)), c: product,
        resultIsWorkspace: true
      ).append(to: &work, on: device, wide: wide)
      func rows(_ elements: Elements?) -> Elements? { elements?.rows(from: start, count) }
      work.launches.append(
        kernel.step(
          count, sums: sums, bias: bias, hidden: hidden, state: state, input: rows(input)!, output: rows(result)!,
          kept: rows(kept),
          cells: rows(cells), device))
    }
  }
}

/// The same backwards. `hidden` and `state`, [sequences, units], are at first the gradients of the state after the run, in the end those
/// of the state before it.
struct RecurrenceGradientTask: KernelTask {
  let cell: RecurrentCell
  let run: RecurrentRun
  let weight: Elements
  /// Of the outputs: its first rows.
  let gradient: Elements
  let output: Elements
  let kept: Elements?
  let cells: Elements?
  /// What every row's step began with.
  let lastHidden: Elements
  let lastCells: Elements?
  let hidden: Elements
  let state: Elements?
  /// [rows, gates · units]: of the input's part, and of the product; one array where they are equal.
  let inputSlopes: Elements
  let productSlopes: Elements

  var operands: [Elements] {
    [weight, gradient, output, lastHidden] + [kept, cells, lastCells].compactMap { $0 } + results
  }
  var results: [Elements] { [hidden, inputSlopes, productSlopes] + [state].compactMap { $0 } }

  func mapOperands(_ f: (Elements) -> Elements) -> RecurrenceGradientTask {
    RecurrenceGradientTask(
      cell: cell, run: run, weight: f(weight), gradient: f(gradient), output: f(output), kept: kept.map(f), cells: cells.map(f),
      lastHidden: f(lastHidden), lastCells: lastCells.map(f), hidden: f(hidden), state: state.map(f), inputSlopes: f(inputSlopes),
      productSlopes: f(productSlopes))
  }

  struct Attributes: Hashable {
    let cell: RecurrentCell
    let run: RecurrentRun
    let isKept: Bool
    let hasCells: Bool
    let hasLastCells: Bool
    let hasState: Bool
  }

  var attributes: Attributes {
    Attributes(
      cell: cell, run: run, isKept: kept != nil, hasCells: cells != nil, hasLastCells: lastCells != nil, hasState: state != nil)
  }

  func append(to work: inout KernelWork, on device: DeviceShape, wide: Bool) {
    let kernel = RecurrenceKernel(cell, weight)
    if kernel.size == 0 { return }
    for step in run.order.reversed() {
      let (count, start) = (run.batchSizes[step], run.starts[step])
      func rows(_ elements: Elements?) -> Elements? { elements?.rows(from: start, count) }
      work.launches.append(
        kernel.slope(
          count,
          reading: [
            "gradient": rows(gradient), "output": rows(output), "kept": rows(kept), "cells": rows(cells),
            "last_hidden": rows(lastHidden), "last_cells": rows(lastCells),
          ], hidden: hidden, state: state, inputSlopes: rows(inputSlopes)!, productSlopes: rows(productSlopes)!, device))
      let sums = hidden.rows(from: 0, count)
      ProductTask(a: rows(productSlopes)!, b: weight, c: sums, added: sums).append(to: &work, on: device, wide: wide)
    }
  }
}

extension Elements {
  /// Some rows of a dense matrix.
  func rows(from first: Int, _ count: Int) -> Elements {
    let width = layout.shape.at(1)
    return Elements(address + first * width * dtype.byteCount, Layout([count, width]), dtype, on: device)
  }
}
