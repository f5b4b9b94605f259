#pragma once

/// The types programs compute in. Element types are converted to one of these when a block is loaded.
typedef enum fb_class { fb_f32, fb_f64, fb_i64, fb_class_count } fb_class;
