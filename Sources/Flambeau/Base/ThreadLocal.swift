#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// A value of each thread's own, made when the thread first asks for it and gone when the thread ends.
struct ThreadLocal<Value: ~Copyable>: Sendable {
  private let key: pthread_key_t
  private let make: @Sendable () -> Value

  init(_ make: @escaping @Sendable () -> Value) {
    var key = pthread_key_t()
    pthread_key_create(&key) { end in
      let box: UnsafeMutableRawPointer? = end  // An optional on one system, none on others.
      if let box { Unmanaged<AnyObject>.fromOpaque(box).release() }
    }
    (self.key, self.make) = (key, make)
  }

  /// For this thread alone.
  @inline(__always)
  var current: UnsafeMutablePointer<Value> {
    if let known = pthread_getspecific(key) {
      return Unmanaged<Box>.fromOpaque(known)._withUnsafeGuaranteedRef { $0.value }
    }
    return first()
  }

  @inline(never)
  private func first() -> UnsafeMutablePointer<Value> {
    let box = Box(make())
    pthread_setspecific(key, Unmanaged.passRetained(box).toOpaque())
    return box.value
  }

  private final class Box {
    let value = UnsafeMutablePointer<Value>.allocate(capacity: 1)

    init(_ value: consuming Value) { self.value.initialize(to: value) }

    deinit {
      value.deinitialize(count: 1)
      value.deallocate()
    }
  }
}
