#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// Threads that make an epoch's batches ahead of the loop, and hand them out in order. They end with this object.
final class Prefetcher<Batch: Sendable> {
  typealias Maker = (Int) -> Made<Batch>

  private let queue: BatchQueue<Batch>
  private var threads: [WorkerThread] = []

  /// At most `workers` threads, each with a maker of its own; nil if the system grants none.
  init?(count: Int, workers: Int, ahead: Int, maker: @escaping @Sendable () -> Maker) {
    let workers = min(workers, count)
    let queue = BatchQueue<Batch>(count: count, capacity: min(workers * ahead, count))
    self.queue = queue
    for _ in 0..<workers {
      let thread = WorkerThread {
        let make = maker()
        while let number = queue.claim() { queue.put(make(number), number) }
      }
      guard let thread else { break }
      threads.append(thread)
    }
    if threads.isEmpty { return nil }
  }

  deinit {
    queue.stop()
    for thread in threads { thread.join() }
  }

  /// The next batch. There are `count`.
  func take() -> Made<Batch> { queue.take() }
}

/// Numbered places for the batches between the first that the loop has not taken and the last that may be begun.
private final class BatchQueue<Batch: Sendable>: Sendable {
  private let count: Int
  nonisolated(unsafe) private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
  /// Workers wait for it.
  nonisolated(unsafe) private let room = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
  /// The loop waits for it.
  nonisolated(unsafe) private let ready = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)

  // Guarded by the mutex. Batch n has place n % places.count.
  nonisolated(unsafe) private var places: [Made<Batch>?]
  nonisolated(unsafe) private var claimed = 0
  nonisolated(unsafe) private var taken = 0
  nonisolated(unsafe) private var isStopped = false

  init(count: Int, capacity: Int) {
    self.count = count
    places = Array(repeating: nil, count: capacity)
    mutex.initialize(to: pthread_mutex_t())
    room.initialize(to: pthread_cond_t())
    ready.initialize(to: pthread_cond_t())
    pthread_mutex_init(mutex, nil)
    pthread_cond_init(room, nil)
    pthread_cond_init(ready, nil)
  }

  deinit {
    pthread_cond_destroy(ready)
    pthread_cond_destroy(room)
    pthread_mutex_destroy(mutex)
    ready.deallocate()
    room.deallocate()
    mutex.deallocate()
  }

  private func locked<R>(_ body: () -> R) -> R {
    pthread_mutex_lock(mutex)
    defer { pthread_mutex_unlock(mutex) }
    return body()
  }

  /// The number of a batch to make, once there is room for it; nil when there is no more to do.
  func claim() -> Int? {
    locked {
      while !isStopped && claimed < count && claimed - taken >= places.count { pthread_cond_wait(room, mutex) }
      if isStopped || claimed == count { return nil }
      claimed += 1
      return claimed - 1
    }
  }

  func put(_ made: Made<Batch>, _ number: Int) {
    locked {
      places[number % places.count] = made
      if number == taken { pthread_cond_signal(ready) }
    }
  }

  func take() -> Made<Batch> {
    locked {
      let place = taken % places.count
      var made: Made<Batch>?
      while true {
        swap(&made, &places[place])
        if let made {
          taken += 1
          pthread_cond_signal(room)
          return made
        }
        pthread_cond_wait(ready, mutex)
      }
    }
  }

  func stop() {
    locked {
      isStopped = true
      pthread_cond_broadcast(room)
    }
  }
}
