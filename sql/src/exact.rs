//! Functions of released expressions that SQL has no exact form of: a mean that is rounded once,
//! and an opened whole number read as a decimal.

use std::sync::Arc;

use datafusion::{
    arrow::{
        array::{ArrayRef, AsArray, Decimal128Array, Float64Array},
        datatypes::{DataType, Field, FieldRef, Int64Type},
    },
    common::{Result, ScalarValue, exec_err, plan_err},
    logical_expr::{
        ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
        Volatility,
    },
};

/// Largest scale of a sum.
const SCALE: i64 = 18;

/// Both functions, to be registered where released expressions are read.
pub(crate) fn functions() -> [ScalarUDF; 2] {
    let signature = |arguments: usize| {
        Signature::exact(vec![DataType::Int64; arguments], Volatility::Immutable)
    };
    [ScalarUDF::from(MeanOf(signature(3))), ScalarUDF::from(DecimalOf(signature(2)))]
}

/// The float nearest to `numerator / denominator`, ties to even; `None` where that is not a number.
///
/// Long division yields 56 bits of the quotient; whether anything is left decides the last of
/// them, so that the one rounding, from 56 to 53 bits, sees which side of a tie it is on.
pub(crate) fn nearest(numerator: i128, denominator: u128) -> Option<f64> {
    if denominator == 0 || denominator >= 1 << 126 {
        return None;
    }
    if numerator == 0 {
        return Some(0.0);
    }
    let size = numerator.unsigned_abs();
    let (mut quotient, mut rest) = (size / denominator, size % denominator);
    let mut exponent = 0_i32;
    let mut sticky = false;
    while quotient >= 1 << 56 {
        sticky |= quotient & 1 == 1;
        quotient >>= 1;
        exponent += 1;
    }
    while quotient < 1 << 55 {
        rest <<= 1;
        quotient <<= 1;
        exponent -= 1;
        if rest >= denominator {
            rest -= denominator;
            quotient |= 1;
        }
    }
    sticky |= rest != 0;
    let rounded = (quotient | u128::from(sticky)) as f64;
    // A power of two between 2^-182 and 2^72: multiplying by it is exact.
    let value = rounded * 2_f64.powi(exponent);
    Some(if numerator < 0 { -value } else { value })
}

/// `mean_of(sum, count, scale)`.
#[derive(Debug, PartialEq, Eq, Hash)]
struct MeanOf(Signature);

/// `decimal_of(number, scale)`.
#[derive(Debug, PartialEq, Eq, Hash)]
struct DecimalOf(Signature);

fn scale(scalar: Option<&ScalarValue>) -> Result<u8> {
    if let Some(ScalarValue::Int64(Some(scale @ 0..=SCALE))) = scalar {
        return Ok(*scale as u8);
    }
    plan_err!("the scale must be a number from 0 to {SCALE}")
}

fn scale_of(argument: &ColumnarValue) -> Result<u8> {
    match argument {
        ColumnarValue::Scalar(scalar) => scale(Some(scalar)),
        ColumnarValue::Array(_) => exec_err!("the scale must be a literal"),
    }
}

impl ScalarUDFImpl for MeanOf {
    fn name(&self) -> &'static str {
        "mean_of"
    }

    fn signature(&self) -> &Signature {
        &self.0
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Float64)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let unit = 10_u128.pow(scale_of(&args.args[2])?.into());
        let sums = args.args[0].to_array(args.number_rows)?;
        let counts = args.args[1].to_array(args.number_rows)?;
        let (sums, counts) = (sums.as_primitive::<Int64Type>(), counts.as_primitive::<Int64Type>());
        let mean = |(sum, count): (Option<i64>, Option<i64>)| {
            let count = u128::try_from(count?).ok()?;
            nearest(sum?.into(), count * unit)
        };
        let means: Float64Array = sums.iter().zip(counts).map(mean).collect();
        Ok(ColumnarValue::Array(Arc::new(means)))
    }
}

impl ScalarUDFImpl for DecimalOf {
    fn name(&self) -> &'static str {
        "decimal_of"
    }

    fn signature(&self) -> &Signature {
        &self.0
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        plan_err!("the type depends on the scale")
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let scale = scale(args.scalar_arguments.get(1).copied().flatten())?;
        let r#type = DataType::Decimal128(38, scale as i8);
        Ok(Arc::new(Field::new(self.name(), r#type, true)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let scale = scale_of(&args.args[1])?;
        let numbers = args.args[0].to_array(args.number_rows)?;
        let numbers = numbers.as_primitive::<Int64Type>().iter();
        let decimals: Decimal128Array = numbers.map(|x| x.map(i128::from)).collect();
        let decimals = decimals.with_precision_and_scale(38, scale as i8)?;
        Ok(ColumnarValue::Array(Arc::new(decimals) as ArrayRef))
    }
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::datatypes::i256;
    use proptest::prelude::*;

    use super::*;

    /// Distance of `value` from `numerator / denominator`, times `denominator * 2^200`.
    fn distance(value: f64, numerator: i64, denominator: u64) -> i256 {
        let bits = value.to_bits();
        let exponent = ((bits >> 52) & 0x7ff) as i32 - 1075;
        let mantissa = i128::from((bits & ((1 << 52) - 1)) | (1 << 52));
        let mantissa = if value < 0.0 { -mantissa } else { mantissa };
        let shift = |x: i128, by: i32| i256::from_i128(x) << (by as u8);
        let scaled =
            shift(mantissa, exponent + 120).wrapping_mul(i256::from_i128(denominator.into()));
        let distance = scaled.wrapping_sub(shift(numerator.into(), 120));
        distance.wrapping_abs()
    }

    #[test]
    fn means_are_exact_where_they_can_be() {
        assert_eq!(nearest(0, 5), Some(0.0));
        assert_eq!(nearest(-7, 2), Some(-3.5));
        assert_eq!(nearest(1, 3), Some(1.0 / 3.0));
        assert_eq!(nearest(i128::from(i64::MIN), 1), Some(-9_223_372_036_854_775_808.0));
        assert_eq!(nearest(1, 0), None);
        // 2^53 + 1 is a tie and goes to even; a little more goes up.
        assert_eq!(nearest((1 << 53) + 1, 1), Some(9_007_199_254_740_992.0));
        assert_eq!(nearest(((1 << 53) + 1) * 1000 + 1, 1000), Some(9_007_199_254_740_994.0));
    }

    proptest! {
        #[test]
        fn a_mean_is_the_nearest_float(numerator in any::<i64>(), denominator in 1_u64..1 << 44) {
            prop_assume!(numerator != 0);
            let value = nearest(numerator.into(), denominator.into()).unwrap();
            let own = distance(value, numerator, denominator);
            for neighbour in [value.next_up(), value.next_down()] {
                prop_assert!(own <= distance(neighbour, numerator, denominator));
            }
        }

        #[test]
        fn small_quotients_equal_division(numerator in -(1_i64 << 53)..1 << 53, denominator in 1_u64..1 << 53) {
            let wanted = numerator as f64 / denominator as f64;
            prop_assert_eq!(nearest(numerator.into(), denominator.into()), Some(wanted));
        }
    }
}
