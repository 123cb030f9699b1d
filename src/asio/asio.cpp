// SPDX-License-Identifier: Apache-2.0
// The one place where Boost.Asio, Beast and JSON are compiled.
#include <boost/asio/impl/src.hpp>
#include <boost/beast/src.hpp>
#include <boost/json/src.hpp>
